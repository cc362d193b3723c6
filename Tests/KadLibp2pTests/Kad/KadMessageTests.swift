import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Messages of /ipfs/kad/1.0.0")
struct KadMessageTests {
    private let peer0: Peer
    private let peer1: Peer
    private let sender: OwnContact
    private let hello = Array("/test/hello".utf8)
    private let world = Array("world".utf8)

    init() throws {
        peer0 = try .of(KadExamples.id0)
        peer1 = try .of(KadExamples.id1)
        sender = OwnContact(id: peer0.id, addresses: [try Multiaddr("/ip4/127.0.0.1/tcp/42100")])
    }

    private func frame(_ request: Request, from sender: OwnContact) throws -> [UInt8] {
        let message = try #require(KadMessage(request, to: peer1.id, from: sender))
        return Array(FrameDecoder.frame(try message.written()).readableBytesView)
    }

    // MARK: Bytes

    @Test("requests have the bytes that py-libp2p writes")
    func requests() throws {
        var signed = sender
        signed.record = KadExamples.record
        #expect(try frame(.findNode(LookupTarget(peer1)), from: signed) == KadExamples.findNode)
        #expect(try frame(.getValue(hello), from: sender) == KadExamples.getValue)
        #expect(try frame(.putValue(key: hello, value: world), from: sender) == KadExamples.putValue)
        #expect(try frame(.getProviders(KadExamples.provided), from: sender) == KadExamples.getProviders)
        #expect(try frame(.addProvider(KadExamples.provided), from: sender) == KadExamples.addProvider)
    }

    @Test("a peer is asked for itself in place of a PING")
    func ping() throws {
        var signed = sender
        signed.record = KadExamples.record
        #expect(try frame(.ping, from: signed) == KadExamples.findNode)
    }

    @Test("a target whose preimage is not known cannot be asked for")
    func noPreimage() {
        #expect(KadMessage(.findNode(LookupTarget(key: peer1.key)), to: peer1.id, from: sender) == nil)
    }

    @Test("answers have the bytes that py-libp2p writes")
    func answers() throws {
        let now = Instant(milliseconds: 1_795_395_723_450)
        func written(_ query: Query, _ answer: QueryAnswer) throws -> [UInt8] {
            let message = try #require(KadMessage(answering: query, with: answer, from: sender, at: now))
            return Array(FrameDecoder.frame(try message.written()).readableBytesView)
        }
        #expect(try written(.putValue(key: hello, value: world), QueryAnswer(value: world)) == KadExamples.putEcho)
        #expect(try written(.ping, QueryAnswer()) == KadExamples.ping)
        #expect(try written(.getValue(hello), QueryAnswer()) == KadExamples.getValue)
        let told = KadMessage(
            answering: .addProvider(hello, providers: []), with: QueryAnswer(), from: sender, at: now)
        #expect(told == nil, "go-libp2p would take it for the answer to what it asks next")
    }

    @Test("what py-libp2p asks is understood")
    func foreignQueries() throws {
        let id1 = KadExamples.id1
        #expect(try KadExamples.message(KadExamples.findNode).query == .findNode(id1))
        #expect(try KadExamples.message(KadExamples.getValue).query == .getValue(hello))
        #expect(try KadExamples.message(KadExamples.putValue).query == .putValue(key: hello, value: world))
        #expect(try KadExamples.message(KadExamples.getProviders).query == .getProviders(KadExamples.provided))
        let provider = NamedPeer(id: KadExamples.id0, addresses: sender.addresses)
        #expect(
            try KadExamples.message(KadExamples.addProvider).query
                == .addProvider(KadExamples.provided, providers: [provider]))
        #expect(try KadExamples.message(KadExamples.ping).query == .ping)
    }

    @Test("an answer's addresses lose the peer's own id; another's and what cannot be read are dropped")
    func foreignPeers() throws {
        let (named, content) = try KadExamples.message(KadExamples.peers).answer(to: .findNode(LookupTarget(peer1)))
        #expect(content == .none)
        #expect(
            named == [
                NamedPeer(id: KadExamples.id1, addresses: [try Multiaddr("/ip4/127.0.0.1/tcp/42101")]),
                NamedPeer(id: KadExamples.id0, addresses: [try Multiaddr("/ip6/::1/tcp/42100")]),
            ])
    }

    @Test("a value of py-libp2p is understood")
    func foreignValue() throws {
        let (named, content) = try KadExamples.message(KadExamples.value).answer(to: .getValue(hello))
        #expect(named.isEmpty && content == .value(world))
        let echo = try KadExamples.message(KadExamples.putEcho).answer(to: .putValue(key: hello, value: world))
        #expect(echo.content == .none)
    }

    @Test("the signed record that py-libp2p sends verifies, and is the sender's only")
    func foreignRecord() throws {
        let records = SenderRecords()
        let message = try KadExamples.message(KadExamples.findNode)
        for _ in 0..<2 { try records.check(message, from: peer0.id) }
        #expect(throws: KadFault.badSenderRecord) { try records.check(message, from: peer1.id) }
        var forged = message
        forged.senderRecord[forged.senderRecord.count - 1] ^= 1
        #expect(throws: KadFault.badSenderRecord) { try records.check(forged, from: peer0.id) }
    }

    // MARK: Round trips

    @Test("what is asked comes out as the query", arguments: Seeds.first(20))
    func queriesRoundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        func bytes(_ counts: ClosedRange<Int>) -> [UInt8] {
            (0..<Int.random(in: counts, using: &generator)).map { _ in .random(in: .min ... .max, using: &generator) }
        }
        let key = bytes(1...80)
        let value = bytes(1...2_000)
        let target = bytes(2...50)
        let requests: [(Request, Query)] = [
            (.findNode(LookupTarget(key: peer1.key, preimage: target)), .findNode(target)),
            (.ping, .findNode(KadExamples.id1)), (.getValue(key), .getValue(key)),
            (.putValue(key: key, value: value), .putValue(key: key, value: value)),
            (.getProviders(key), .getProviders(key)),
            (
                .addProvider(key),
                .addProvider(key, providers: [NamedPeer(id: KadExamples.id0, addresses: sender.addresses)])
            ),
        ]
        for (request, query) in requests {
            let message = try #require(KadMessage(request, to: peer1.id, from: sender))
            #expect(try KadMessage.reading(try message.written()).query == query)
        }
    }

    @Test("what is answered comes out as the reply", arguments: Seeds.first(20))
    func answersRoundTrip(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let peers = try (0..<Int.random(in: 0...21, using: &generator)).map { _ in
            let digest = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let addresses = try (0..<Int.random(in: 0...4, using: &generator)).map { _ in
                try Multiaddr("/ip4/10.0.0.\(Int.random(in: 1...254, using: &generator))/tcp/4001")
            }
            return FoundPeer(peer: try .of([0x12, 0x20] + digest), addresses: addresses)
        }
        let named = peers.map { NamedPeer(id: Array($0.peer.id.bytes), addresses: $0.addresses) }
        let half = peers.count / 2
        let answer = QueryAnswer(
            closer: Array(peers[..<half]), value: world, providers: Array(peers[half...]))
        func reply(_ request: Request) throws -> (named: [NamedPeer], content: ReplyContent) {
            let asked = try #require(KadMessage(request, to: peer1.id, from: sender)).query
            let message = try #require(
                KadMessage(answering: asked, with: answer, from: sender, at: Instant(milliseconds: 0)))
            let bytes = try message.written()
            #expect(bytes.count <= request.answerLimit)
            return try KadMessage.reading(bytes).answer(to: request)
        }
        let near = Array(named[..<half])
        #expect(try reply(.findNode(LookupTarget(peer1))) == (near, .none))
        #expect(try reply(.getValue(hello)) == (near, .value(world)))
        #expect(try reply(.getProviders(hello)) == (near, .providers(Array(named[half...]))))
        #expect(try reply(.putValue(key: hello, value: world)) == ([], .none))
        #expect(try reply(.ping) == ([], .none))
    }

    @Test("a provider without addresses that is this node itself is told with those it listens on")
    func ownProvider() throws {
        let stranger = FoundPeer(peer: peer1, addresses: [])
        let answer = QueryAnswer(providers: [FoundPeer(peer: peer0, addresses: []), stranger])
        let message = try #require(
            KadMessage(answering: .getProviders(hello), with: answer, from: sender, at: Instant(milliseconds: 0)))
        let (_, content) = try message.answer(to: .getProviders(hello))
        #expect(
            content
                == .providers([
                    NamedPeer(id: KadExamples.id0, addresses: sender.addresses),
                    NamedPeer(id: KadExamples.id1, addresses: []),
                ]))
    }

    // MARK: Refusals

    @Test("queries that break a rule are refused")
    func badQueries() throws {
        func fault(_ kind: KadMessage.Kind, key: [UInt8], _ change: (inout KadMessage) -> Void = { _ in }) -> KadFault?
        {
            var message = KadMessage()
            message.type = kind
            message.key = .init(key)
            change(&message)
            do throws(KadFault) {
                _ = try message.query
                return nil
            } catch {
                return error
            }
        }
        func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }
        func record(_ key: [UInt8], _ value: [UInt8]) -> (inout KadMessage) -> Void {
            return {
                $0.record.key = .init(key)
                $0.record.value = .init(value)
            }
        }
        for (count, isTarget) in [(0, false), (1, false), (2, true), (50, true), (51, false), (200, false)] {
            #expect((fault(.findNode, key: bytes(count)) == nil) == isTarget, "\(count) bytes")
        }
        #expect(fault(.findNode, key: [0x13, 0x40] + bytes(64)) == nil, "a multihash of SHA-512")
        #expect(fault(.findNode, key: [0x13, 0x41] + bytes(64)) == .badKey)
        for kind in [KadMessage.Kind.getValue, .getProviders] {
            #expect(fault(kind, key: []) == .badKey)
            #expect(fault(kind, key: bytes(128)) == nil)
            #expect(fault(kind, key: bytes(129)) == .badKey)
        }
        #expect(fault(.addProvider, key: []) == .badKey)
        #expect(fault(.addProvider, key: bytes(80)) == nil)
        #expect(fault(.addProvider, key: bytes(81)) == .badKey)
        #expect(fault(.putValue, key: hello) == .badValue, "no record")
        #expect(fault(.putValue, key: hello, record(hello, world)) == nil)
        #expect(fault(.putValue, key: hello, record(hello, [])) == .badValue)
        #expect(fault(.putValue, key: hello, record(world, world)) == .badValue)
        #expect(fault(.putValue, key: [], record([], world)) == .badKey)
        #expect(fault(.putValue, key: hello, record(hello, bytes(1 << 20))) == nil)
        #expect(fault(.putValue, key: hello, record(hello, bytes(1 << 20 + 1))) == .badValue)
        #expect(fault(.putValue, key: bytes(129), record(bytes(129), world)) == .badKey)
        #expect(fault(.UNRECOGNIZED(6), key: hello) == .wrongKind)
    }

    @Test("answers that are not to what was asked are refused")
    func badAnswers() throws {
        func fault(_ request: Request, _ change: (inout KadMessage) -> Void) throws -> KadFault? {
            let query = try #require(KadMessage(request, to: peer1.id, from: sender)).query
            // py-libp2p sends what it was told of a provider back.
            var message = try #require(
                KadMessage(
                    answering: query, with: QueryAnswer(value: world), from: sender, at: Instant(milliseconds: 0))
                    ?? KadMessage(request, to: peer1.id, from: sender))
            change(&message)
            do throws(KadFault) {
                _ = try message.answer(to: request)
                return nil
            } catch {
                return error
            }
        }
        let find = Request.findNode(LookupTarget(peer1))
        #expect(try fault(find) { $0.key = .init([]) } == nil, "the key may be left out")
        #expect(try fault(find) { $0.key = .init([1]) } == .badKey)
        #expect(try fault(find) { $0.type = .getValue } == .wrongKind)
        #expect(try fault(.ping) { $0.type = .ping } == .wrongKind)
        #expect(try fault(.getValue(hello)) { $0.record.key = .init([1]) } == .badValue)
        #expect(try fault(.getValue(hello)) { $0.record.value = .init(repeating: 1, count: 1 << 20 + 1) } == .badValue)
        #expect(try fault(.getValue(hello)) { $0.record.value = .init([]) } == nil, "no value, no fault")
        let put = Request.putValue(key: hello, value: world)
        #expect(try fault(put) { _ in } == nil)
        #expect(try fault(put) { $0.key = .init([]) } == .badKey)
        #expect(try fault(put) { $0.clearRecord() } == .badValue)
        #expect(try fault(put) { $0.record.value = .init(hello) } == .badValue)
        #expect(try fault(put) { $0.type = .UNRECOGNIZED(9) } == .wrongKind)
        #expect(try fault(.getProviders(hello)) { $0.type = .findNode } == .wrongKind)
        #expect(try fault(.addProvider(hello)) { $0.key = .init([1]) } == .badKey)
    }

    // MARK: Bounds

    @Test("peers and addresses beyond the limits are not read")
    func tooMany() throws {
        var message = KadMessage()
        message.type = .getProviders
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
        message.closerPeers = (0..<100).map { _ in .init(id: peer1.id, addresses: [address]) }
        message.providerPeers = (0..<2_000).map { _ in .init(id: peer1.id, addresses: []) }
        message.closerPeers[0].addrs = (0..<80).map { .init([4, 10, 0, 0, $0, 6, 0, 1]) }
        // An id is found though a peer that is too long stands before it.
        message.closerPeers[1].signedRecord = .init(repeating: 1, count: KadProtocol.peerByteLimit)
        message.closerPeers[2].id = .init(KadExamples.id0)
        let read = try KadMessage.reading(try message.written())
        #expect(read.closerPeers.count == KadProtocol.closerLimit)
        #expect(read.providerPeers.count == KadProtocol.providerLimit)
        #expect(read.closerPeers[0].named.addresses.count == KadProtocol.addressLimit)
        #expect(Array(read.closerPeers[1].id) == KadExamples.id0)
    }

    @Test("a message of nothing but empty peers, addresses or unknown fields takes no memory beside its own")
    func empties() throws {
        for tag: UInt8 in [0x42, 0x4a, 0x62, 0x1a] {
            let bytes = [UInt8]((0..<(1 << 17)).map { $0.isMultiple(of: 2) ? tag : 0 })
            let message = try KadMessage.reading(bytes)
            #expect(message.closerPeers.count <= KadProtocol.closerLimit)
            #expect(message.providerPeers.count <= KadProtocol.providerLimit)
        }
    }

    @Test("mutated messages are read or refused, within bounds", arguments: Seeds.first(8))
    func mutations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let requests: [Request] = [
            .findNode(LookupTarget(peer1)), .ping, .getValue(hello), .putValue(key: hello, value: world),
            .getProviders(KadExamples.provided), .addProvider(KadExamples.provided),
        ]
        for _ in 0..<400 {
            var frame = try #require(KadExamples.all.randomElement(using: &generator))
            frame.mutate(using: &generator)
            var decoder = FrameDecoder()
            decoder.append(ByteBuffer(bytes: frame))
            guard let bytes = try? decoder.next(limit: 4_096), let message = try? KadMessage.reading(bytes) else {
                continue
            }
            #expect(message.closerPeers.count <= KadProtocol.closerLimit, "seed \(seed)")
            _ = try? message.query
            for request in requests {
                guard let (named, content) = try? message.answer(to: request) else { continue }
                #expect(named.count <= KadProtocol.closerLimit, "seed \(seed)")
                if case .value(let value) = content { #expect(value.count <= bytes.count) }
            }
            try? SenderRecords().check(message, from: peer0.id)
        }
    }
}

extension [UInt8] {
    /// Changes, inserts, removes and repeats some bytes.
    mutating func mutate(using generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !isEmpty {
            let place = Int.random(in: 0..<count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: self[place] = .random(in: .min ... .max, using: &generator)
            case 1: self[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: insert(.random(in: .min ... .max, using: &generator), at: place)
            case 3: remove(at: place)
            case 4: removeSubrange(place...)
            default:
                let end = Int.random(in: place...count, using: &generator)
                insert(contentsOf: self[place..<end], at: place)
            }
        }
    }
}
