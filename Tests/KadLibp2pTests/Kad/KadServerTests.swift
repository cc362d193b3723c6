import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import KadLibp2p

/// A server whose node answers from a closure, and streams to it.
private struct Served {
    let server: KadServer
    let peer: PeerID
    let own: PeerID
    let address: Multiaddr

    init(
        _ configuration: KadServer.Configuration = .test,
        answer: @escaping KadServer.Answer = { _, _, _ in QueryAnswer() },
        violated: @escaping KadServer.Violated = { _ in }
    ) throws {
        let own = try #require(PeerID(KadExamples.id1))
        self.own = own
        peer = try #require(PeerID(KadExamples.id0))
        address = try Multiaddr("/ip4/10.0.0.1/tcp/50000")
        server = KadServer(
            configuration: configuration, records: SenderRecords(), sender: { _ in OwnContact(id: own, addresses: []) },
            answer: answer, violated: violated)
    }

    func stream(piece: Int = .max) -> (client: MemoryStream, served: Task<KadFault?, Never>) {
        let (client, stream) = MemoryStream.pair(dialer: peer, listener: own, address: address, piece: piece)
        let served = Task { () -> KadFault? in
            do throws(KadFault) {
                try await server.serve(stream)
                return nil
            } catch {
                return error
            }
        }
        return (client, served)
    }

    /// What a server does with these bytes and nothing behind them.
    func fate(of bytes: [UInt8]) async throws -> (answer: [UInt8], fault: KadFault?, isReset: Bool) {
        let (client, served) = stream()
        try await client.send(bytes)
        await client.closeWriting()
        let answer = await client.readAll()
        return (answer, await served.value, client.isReset)
    }
}

extension KadServer.Configuration {
    /// Nothing ends by itself on a slow machine.
    fileprivate static var test: KadServer.Configuration {
        var configuration = KadServer.Configuration()
        configuration.patience = .seconds(600)
        return configuration
    }
}

private func framed(_ message: KadMessage) throws -> [UInt8] {
    Array(FrameDecoder.frame(try message.written()).readableBytesView)
}

@Suite("Serving /ipfs/kad/1.0.0")
struct KadServerTests {
    @Test("several requests on a stream are answered in their order, also after the asker has said its last")
    func several() async throws {
        let asked = Mutex<[Query]>([])
        let served = try Served { query, peer, address in
            asked.withLock { $0.append(query) }
            return QueryAnswer(value: Array("world".utf8))
        }
        let (client, task) = served.stream(piece: 3)
        try await client.send(KadExamples.getValue + KadExamples.ping + KadExamples.getValue)
        await client.closeWriting()
        let bytes = await client.readAll()
        var decoder = FrameDecoder()
        decoder.append(ByteBuffer(bytes: bytes))
        var kinds: [KadMessage.Kind] = []
        while let message = try decoder.next(limit: 1_000) { kinds.append(try KadMessage.reading(message).type) }
        #expect(kinds == [.getValue, .ping, .getValue])
        #expect(await task.value == nil)
        #expect(!client.isReset)
        let key = Array("/test/hello".utf8)
        #expect(asked.withLock { $0 } == [.getValue(key), .ping, .getValue(key)])
    }

    @Test("who tells of a provider and goes on asking gets the answer to what was asked")
    func toldAndAsked() async throws {
        let (client, task) = try Served().stream()
        try await client.send(KadExamples.addProvider + KadExamples.ping)
        await client.closeWriting()
        #expect(await client.readAll() == KadExamples.ping)
        #expect(await task.value == nil)
    }

    @Test("the node learns who asks and where it comes from")
    func asker() async throws {
        let served = try Served { (query, peer, address) throws(Refusal) in
            guard peer.bytes.elementsEqual(KadExamples.id0), address.port == 50_000 else { throw .invalid }
            return QueryAnswer()
        }
        let (answer, fault, isReset) = try await served.fate(of: KadExamples.findNode)
        #expect(!answer.isEmpty && fault == nil && !isReset)
    }

    @Test("every fault resets its stream without an answer; what breaks a rule is charged to the sender")
    func faults() async throws {
        let charged = Mutex<[PeerID]>([])
        let served = try Served(violated: { peer in charged.withLock { $0.append(peer) } })
        var forged = try KadExamples.message(KadExamples.findNode)
        forged.senderRecord[20] ^= 1
        var others = try KadExamples.message(KadExamples.getValue)
        others.senderRecord = .init(try strangersRecord())
        var empty = KadMessage()
        empty.type = .findNode
        let cases: [([UInt8], KadFault)] = [
            ([0x80, 0x00], .malformedLength), ([5, 1, 2], .ended), ([0x80], .ended), ([1, 0xff], .malformed),
            (
                [0x81, 0x80, 0x80, 0x02],
                .tooLong(stated: 4 << 20 + 1, limit: KadProtocol.requestLimit)
            ),
            ([0], .badValue), ([2, 8, 9], .wrongKind), (try framed(empty), .badKey),
            (try framed(forged), .badSenderRecord),
            (try framed(others), .badSenderRecord),
        ]
        for (bytes, expected) in cases {
            let (answer, fault, isReset) = try await served.fate(of: bytes)
            #expect(answer.isEmpty && fault == expected && isReset, "\(bytes.prefix(8))")
            // A stream that ends too early broke off: no rule was broken.
            let whom = charged.withLock { charged in
                defer { charged = [] }
                return charged
            }
            #expect(whom == (expected == .ended ? [] : [served.peer]), "\(bytes.prefix(8))")
        }
    }

    private func strangersRecord() throws -> [UInt8] {
        let keys = try KeyPair()
        return try SignedPeerRecord(peer: keys.peerID, sequence: 1, addresses: []).sealed(by: keys)
    }

    @Test("what the node refuses is reset, and the stream beside it is served")
    func refusal() async throws {
        let served = try Served { (query, _, _) throws(Refusal) in
            if case .getValue = query { throw .tooMany }
            return QueryAnswer()
        }
        let (_, fault, isReset) = try await served.fate(of: KadExamples.getValue)
        #expect(fault == .refused(.tooMany) && isReset)
        let (answer, none, _) = try await served.fate(of: KadExamples.ping)
        #expect(answer == KadExamples.ping && none == nil)
    }

    @Test("an over-long length is refused though nothing follows it")
    func overlong() async throws {
        let served = try Served()
        let (client, task) = served.stream()
        try await client.send([0x81, 0x80, 0x80, 0x02])
        #expect(await task.value == .tooLong(stated: 4 << 20 + 1, limit: KadProtocol.requestLimit))
        #expect(client.isReset)
    }

    @Test("a stream on which no whole request comes is reset in the end, also one that trickles")
    func slow() async throws {
        var configuration = KadServer.Configuration()
        configuration.patience = .milliseconds(30)
        let served = try Served(configuration)
        let (client, task) = served.stream()
        for byte in KadExamples.findNode {
            guard (try? await client.send([byte])) != nil else { break }
            try await Task.sleep(for: .milliseconds(2))
        }
        // Whatever the machine does, it ends: 210 bytes take longer than the patience.
        #expect(await task.value == .connection(ConnectionError(.cancelled)))
        #expect(client.isReset)
    }

    @Test("a stream is closed after so many requests")
    func manyRequests() async throws {
        var configuration = KadServer.Configuration.test
        configuration.requestsPerStream = 3
        let served = try Served(configuration)
        let (client, task) = served.stream()
        try await client.send(Array(repeatElement(KadExamples.ping, count: 5).joined()))
        #expect(await client.readAll() == Array(repeatElement(KadExamples.ping, count: 3).joined()))
        #expect(await task.value == nil)
        #expect(!client.isReset)
    }

    @Test("half-read requests share a budget; small ones are served beside them, and what ends gives its share back")
    func budget() async throws {
        var configuration = KadServer.Configuration.test
        configuration.heldBytes = 256 * 1024
        configuration.heldBytesPerPeer = 128 * 1024
        let served = try Served(configuration)
        var put = KadMessage()
        put.key = .init(Array("/test/a".utf8))
        put.record.key = put.key
        put.record.value = .init(repeating: 1, count: 120 * 1024)
        let frame = try framed(put)
        let half = Array(frame.prefix(100 * 1024))
        let (first, firstTask) = served.stream()
        try await first.send(half)
        while !first.isOtherWaiting { await Task.yield() }
        // Its share is taken: a second one like it finds no room, and a short request needs none.
        let (second, secondTask) = served.stream()
        try await second.send(half)
        #expect(await secondTask.value == .noRoom)
        #expect(second.isReset)
        #expect(try await served.fate(of: KadExamples.ping).answer == KadExamples.ping)
        try await first.send(Array(frame.dropFirst(half.count)))
        await first.closeWriting()
        #expect(!(await first.readAll()).isEmpty)
        #expect(await firstTask.value == nil)
        #expect(try await served.fate(of: frame).fault == nil)
        // Also what breaks off.
        for _ in 0..<3 {
            let (broken, brokenTask) = served.stream()
            try await broken.send(half)
            while !broken.isOtherWaiting { await Task.yield() }
            broken.breakOff()
            #expect(await brokenTask.value != nil)
        }
        #expect(try await served.fate(of: frame).fault == nil)
    }

    @Test("a stream that goes on asking lives longer than one request may take")
    func patient() async throws {
        var isServed = false
        // A slow machine needs more time between two requests.
        for milliseconds in [100, 1_000, 10_000] where !isServed {
            var configuration = KadServer.Configuration()
            configuration.patience = .milliseconds(milliseconds)
            let (client, task) = try Served(configuration).stream()
            for _ in 0..<6 {
                try? await client.send(KadExamples.ping)
                try await Task.sleep(for: .milliseconds(milliseconds / 4))
            }
            await client.closeWriting()
            isServed = await client.readAll() == Array(repeatElement(KadExamples.ping, count: 6).joined())
            _ = await task.value
        }
        #expect(isServed)
    }

    @Test("streams of anything end, and the server goes on", arguments: Seeds.first(6))
    func fuzz(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let served = try Served()
        for _ in 0..<60 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes += try #require(KadExamples.all.randomElement(using: &generator))
            }
            bytes.mutate(using: &generator)
            let (client, task) = served.stream(piece: Int.random(in: 1...300, using: &generator))
            try? await client.send(bytes)
            if Bool.random(using: &generator) { await client.closeWriting() } else { client.breakOff() }
            _ = await client.readAll()
            _ = await task.value
        }
        #expect(try await served.fate(of: KadExamples.ping).answer == KadExamples.ping, "seed \(seed)")
    }
}

@Suite("The budget of half-read requests")
struct ReadBudgetTests {
    @Test("claims add up by peer and together, and are given back", arguments: Seeds.first(10))
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let budget = ReadBudget(limit: 1_000, limitPerPeer: 400)
        let peers = try (0..<4).map { try #require(PeerID([UInt8($0)])) }
        // By stream: whose it is, and what it claims.
        var streams = (0..<12).map { (peer: peers[$0 % peers.count], bytes: 0) }
        for _ in 0..<2_000 {
            let index = Int.random(in: streams.indices, using: &generator)
            let wanted = Int.random(in: 0...300, using: &generator)
            let others = streams.enumerated().filter { $0.offset != index }.map(\.element)
            let total = others.map(\.bytes).reduce(wanted, +)
            let ofPeer = others.filter { $0.peer == streams[index].peer }.map(\.bytes).reduce(wanted, +)
            let fits = wanted <= streams[index].bytes || (total <= 1_000 && ofPeer <= 400)
            let isGranted = budget.change(from: streams[index].bytes, to: wanted, for: streams[index].peer)
            #expect(isGranted == fits, "seed \(seed)")
            if isGranted { streams[index].bytes = wanted }
        }
    }
}
