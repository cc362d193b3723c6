import Kademlia
import Multiformats
import NIOCore
import NIOEmbedded
import Synchronization
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Identify and ping")
struct IdentifyTests {
    /// A connection to the holder of a key, of which nothing else is needed.
    private func connection(to keys: KeyPair) throws -> Connection {
        let loop = EmbeddedEventLoop()
        let address = try Multiaddr("/ip4/192.0.2.1/tcp/1")
        let events = ConnectionEvents(
            established: { _ in nil }, opened: { _ in }, retired: { _ in }, closed: { _, _ in }, streams: { _, _ in })
        let handler = ConnectionHandler(
            settings: ConnectionHandler.Settings(
                role: .dialer, keys: keys, number: 1, handshakeTimeout: .zero, idleTimeout: .zero,
                lingerTimeout: .zero, unreadLimit: 0, unsentLimit: 0),
            events: events, metrics: SwarmMetrics(), eventLoop: loop)
        return Connection(
            number: 1, role: .dialer, remote: keys.peerID, remoteKey: keys.publicKey, remoteAddress: address,
            handler: NIOLoopBound(handler, eventLoop: loop))
    }

    private func delimited(_ message: IdentifyMessage) throws -> [UInt8] {
        let body: [UInt8] = try message.serializedBytes()
        var bytes: [UInt8] = []
        Varint.append(UInt64(body.count), to: &bytes)
        return bytes + body
    }

    @Test("both ends learn who the other is, what it speaks and where it listens")
    func exchanged() async throws {
        var talkative = SwarmConfiguration.test
        talkative.agent = "kadstore/test"
        let found = Mutex<[PeerID: IdentifiedPeer]>([:])
        let met = Mutex<[ConnectedPeer]>([])
        let listener = Swarm(keys: try KeyPair(), configuration: talkative)
        let dialer = Swarm(keys: try KeyPair(), configuration: .test)
        for swarm in [listener, dialer] {
            swarm.onIdentified { peer in found.withLock { $0[peer.peer] = peer } }
            swarm.onConnected { peer in met.withLock { $0.append(peer) } }
        }
        listener.handle("/echo/1.0.0") { _ in }
        try await listener.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
        let addresses = listener.listenAddresses
        _ = try await dialer.ping(listener.peerID, at: addresses)
        try await eventually("both are identified") { found.withLock { $0.count == 2 } }

        let told = try #require(found.withLock { $0[listener.peerID] })
        #expect(told.agent == "kadstore/test")
        #expect(told.protocolVersion == "ipfs/0.1.0")
        #expect(told.addresses == addresses)
        #expect(told.isSigned && told.isDialled)
        #expect(told.remoteAddress == addresses.first)
        #expect(told.protocols == ["/echo/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"])
        let other = try #require(found.withLock { $0[dialer.peerID] })
        #expect(other.addresses.isEmpty && !other.isDialled)
        #expect(told.observed == other.remoteAddress)
        #expect(other.observed == addresses.first)
        #expect(met.withLock { Set($0.map(\.isDialled)) } == [true, false])
        await dialer.shutdown()
        await listener.shutdown()
    }

    @Test("what is pushed later counts too")
    func pushed() async throws {
        try await SwarmPair.with { pair in
            let agents = Mutex<[String]>([])
            pair.listener.onIdentified { peer in agents.withLock { $0.append(peer.agent) } }
            let stream = try await pair.stream(speaking: [Swarm.identifyPushProtocol])
            var message = IdentifyMessage()
            message.agentVersion = "changed"
            message.protocols = ["/ipfs/id/1.0.0"]
            try await stream.write(ByteBuffer(bytes: try delimited(message)))
            await stream.closeWriting()
            try await eventually("it is heard") { agents.withLock { $0.contains("changed") } }
        }
    }

    @Test("of what is pushed in part, the whole is asked for")
    func pushedInPart() async throws {
        var talkative = SwarmConfiguration.test
        talkative.agent = "whole"
        try await SwarmPair.with(dialing: talkative) { pair in
            let found = Mutex<[IdentifiedPeer]>([])
            pair.listener.onIdentified { peer in found.withLock { $0.append(peer) } }
            let stream = try await pair.stream(speaking: [Swarm.identifyPushProtocol])
            try await eventually("the dialer is identified") { found.withLock { $0.count == 1 } }
            var message = IdentifyMessage()
            message.agentVersion = "part"
            try await stream.write(ByteBuffer(bytes: try delimited(message)))
            await stream.closeWriting()
            try await eventually("it is asked anew") { found.withLock { $0.count == 2 } }
            #expect(found.withLock { $0.allSatisfy { $0.agent == "whole" && !$0.protocols.isEmpty } })
        }
    }

    @Test("who is connected is told of new addresses and protocols")
    func pushes() async throws {
        try await SwarmPair.with { pair in
            let last = Mutex<IdentifiedPeer?>(nil)
            pair.dialer.onIdentified { peer in last.withLock { $0 = peer } }
            _ = try await pair.stream()
            try await eventually("the listener is identified") { last.withLock { $0?.addresses.count == 1 } }
            try await pair.listener.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
            let addresses = pair.listener.listenAddresses
            try await eventually("the addresses are told") { last.withLock { $0?.addresses == addresses } }
            #expect(addresses.count == 2)
            pair.listener.handle("/new/1.0.0") { _ in }
            try await eventually("the protocol is told") {
                last.withLock { $0?.protocols.contains("/new/1.0.0") == true }
            }
        }
    }

    @Test("more than 64 KiB is not read")
    func flood() async throws {
        var patient = SwarmConfiguration.test
        // That it takes too long is not what ends it.
        patient.identifyTimeout = .seconds(3_600)
        try await SwarmPair.with(listening: patient) { pair in
            let stream = try await pair.stream(speaking: [Swarm.identifyPushProtocol])
            await #expect(throws: ConnectionError.self) {
                while true { try await stream.write(ByteBuffer(repeating: 0, count: 16 * 1_024)) }
            }
            _ = try await pair.stream()
        }
    }

    @Test("32 bytes come back, as often as one asks; half of them do not")
    func ping() async throws {
        try await SwarmPair.with { pair in
            for _ in 0..<3 { _ = try await pair.dialer.ping(pair.listener.peerID, at: pair.listener.listenAddresses) }
            let stream = try await pair.stream(speaking: [Swarm.pingProtocol])
            let bytes = [UInt8](repeating: 9, count: 32)
            try await stream.write(ByteBuffer(bytes: bytes.prefix(10)))
            try await stream.write(ByteBuffer(bytes: bytes + bytes.prefix(22)))
            #expect(try await stream.read(exactly: 64) == bytes + bytes)
            try await stream.write(ByteBuffer(bytes: bytes.prefix(31)))
            await stream.closeWriting()
            #expect(try await stream.readAll().isEmpty)
        }
    }

    @Test("a peer that pings without end is cut off")
    func pingFlood() async throws {
        try await SwarmPair.with { pair in
            let stream = try await pair.stream(speaking: [Swarm.pingProtocol])
            let writer = Task { while true { try await stream.write(ByteBuffer(repeating: 1, count: 3_200)) } }
            let answered = try? await stream.readAll()
            #expect((answered?.count ?? 0) <= 32_000)
            writer.cancel()
            _ = await writer.result
        }
    }

    @Test("the signed record is preferred, and a forged, foreign or broken one ignored")
    func records() throws {
        let keys = try KeyPair()
        let connection = try connection(to: keys)
        let plain = try Multiaddr("/ip4/192.0.2.1/tcp/1")
        let signed = try Multiaddr("/ip4/192.0.2.2/tcp/2")
        var message = IdentifyMessage()
        message.publicKey = .init(keys.publicKey.encoded)
        message.listenAddrs = [.init(plain.bytes), .init([0xff, 0xff])]
        let record = SignedPeerRecord(peer: keys.peerID, sequence: 1, addresses: [signed])
        let sealed = try record.sealed(by: keys)

        func addresses(_ envelope: [UInt8]?) throws -> [Multiaddr]? {
            var message = message
            if let envelope { message.signedPeerRecord = .init(envelope) }
            return IdentifyCodec.decode(try delimited(message), from: connection)?.addresses
        }
        #expect(try addresses(nil) == [plain])
        #expect(try addresses(sealed) == [signed])
        #expect(try addresses(Array(sealed.dropLast()) + [(sealed.last ?? 0) ^ 1]) == [plain])
        let other = try KeyPair()
        let foreign = SignedPeerRecord(peer: other.peerID, sequence: 1, addresses: [signed])
        #expect(try addresses(try foreign.sealed(by: other)) == [plain])
        #expect(try addresses([]) == [plain])
    }

    @Test("a message of another key is not believed; several messages add up; names and lists are cut")
    func bounds() throws {
        let keys = try KeyPair()
        let connection = try connection(to: keys)
        var message = IdentifyMessage()
        message.publicKey = .init(try KeyPair().publicKey.encoded)
        #expect(IdentifyCodec.decode(try delimited(message), from: connection) == nil)
        #expect(IdentifyCodec.decode([], from: connection) == nil)
        #expect(IdentifyCodec.decode([0x80], from: connection) == nil)
        #expect(IdentifyCodec.decode([5, 1], from: connection) == nil)

        message.publicKey = .init(keys.publicKey.encoded)
        message.agentVersion = String(repeating: "é", count: 1_000)
        message.protocols = (0..<1_000).map { "/p/\($0)" }
        var second = IdentifyMessage()
        second.protocols = ["/more"]
        second.protocolVersion = "late"
        let found = try #require(
            IdentifyCodec.decode(try delimited(message) + delimited(second), from: connection))
        #expect(found.protocols.count == IdentifyCodec.protocolLimit)
        #expect(found.agent.utf8.count <= IdentifyCodec.nameLimit + 4)
        #expect(found.protocolVersion == "late")
        let many = try (0...IdentifyCodec.messageLimit).flatMap { _ in try delimited(second) }
        #expect(IdentifyCodec.decode(many, from: connection) == nil)
    }

    @Test("random bytes are no message, and harm nobody", arguments: Seeds.first(20))
    func noise(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let connection = try connection(to: try KeyPair())
        let own = try #require(
            IdentifyCodec.encode(
                keys: try KeyPair(seed: .init(repeating: 1, count: 32)), agent: "a", protocols: ["/x"],
                addresses: [Multiaddr("/ip4/192.0.2.1/tcp/1")], observed: nil, sequence: 1))
        for _ in 0..<200 {
            var bytes = own
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
                    in: .min ... .max, using: &generator)
            }
            let end = Int.random(in: 0...bytes.count, using: &generator)
            _ = IdentifyCodec.decode(Array(bytes.prefix(end)), from: connection)
        }
    }

    @Test("a ping that nobody answers ends in time")
    func unanswered() async throws {
        try await SwarmPair.with { pair in
            pair.listener.handle("/ipfs/ping/1.0.0") { stream in while try await stream.read() != nil {} }
            do {
                _ = try await pair.dialer.ping(
                    pair.listener.peerID, at: pair.listener.listenAddresses, within: .milliseconds(50))
                Issue.record("it was answered")
            } catch let error as ConnectionError {
                #expect(error.failureClass == .timeout)
            }
        }
    }

    @Test("a peer says no more of itself than is taken")
    func paced() async throws {
        let gate = AsyncStream<Void>.makeStream()
        let taken = Mutex(0)
        try await SwarmPair.with { pair in
            pair.listener.onIdentified { _ in
                taken.withLock { $0 += 1 }
                for await _ in gate.stream { break }
            }
            let identity = try #require(
                IdentifyCodec.encode(
                    keys: pair.dialer.keys, agent: "x", protocols: [], addresses: [], observed: nil, sequence: 1))
            let push = try await pair.stream(speaking: ["/ipfs/id/push/1.0.0"])
            try await push.write(ByteBuffer(bytes: identity))
            await push.closeWriting()
            // Beside the push, what the dialer answers to the listener's own question.
            try await eventually("it is heard") { taken.withLock { $0 } == 2 }
            #expect(pair.listener.state.withLock { $0.servedCount } >= 1)
            gate.continuation.finish()
            try await eventually("it is done with") { pair.listener.state.withLock { $0.servedCount } == 0 }
        }
    }
}
