import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats
import NIOCore
import Synchronization
import Testing

@testable import KadLibp2p

/// A transport whose streams lead to a closure.
private struct Wired {
    let peer: Peer
    let address: Multiaddr
    let transport: Libp2pTransport

    init(
        _ configuration: Libp2pTransport.Configuration = .test, isInbound: Bool = false,
        other: @escaping @Sendable (MemoryStream) async throws -> Void
    ) throws {
        let own = try #require(PeerID(KadExamples.id0))
        let peer = try Peer.of(KadExamples.id1)
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/4001")
        self.peer = peer
        self.address = address
        transport = Libp2pTransport(configuration: configuration) { _ in
            OwnContact(id: own, addresses: [])
        } open: { _, _ in
            let pair =
                isInbound
                ? MemoryStream.pair(dialer: peer.id, listener: own, address: address)
                : MemoryStream.pair(dialer: own, listener: peer.id, address: address)
            let (near, far) = isInbound ? (pair.listener, pair.dialer) : (pair.dialer, pair.listener)
            Task { try await other(far) }
            return near
        }
    }

    func send(_ request: Request) async throws(TransportError) -> Reply {
        try await transport.send(request, to: peer, at: [address])
    }

    /// What a request fails with; nil when it is answered.
    func failure(_ request: Request = .ping) async -> FailureClass? {
        do throws(TransportError) {
            _ = try await send(request)
            return nil
        } catch {
            return error.failureClass
        }
    }
}

extension Libp2pTransport.Configuration {
    /// Nothing ends by itself on a slow machine.
    fileprivate static var test: Libp2pTransport.Configuration {
        var configuration = Libp2pTransport.Configuration()
        configuration.providerGrace = .seconds(600)
        return configuration
    }
}

extension MemoryStream {
    /// The request that comes; its sender has no more to say then.
    fileprivate func request() async throws -> KadMessage {
        var channel = MessageChannel(self)
        let bytes = try #require(try await channel.read(limit: KadProtocol.messageLimit))
        #expect(try await channel.read(limit: 0) == nil)
        return try KadMessage.reading(bytes)
    }
}

@Suite("The transport of libp2p")
struct Libp2pTransportTests {
    private let hello = Array("/test/hello".utf8)

    @Test("asks on a stream of its own, says that it has no more to ask, and takes the answer")
    func answer() async throws {
        let wired = try Wired { stream in
            let request = try await stream.request()
            #expect(request.type == .findNode && Array(request.key) == KadExamples.id1)
            try await stream.send(try KadExamples.unsigned(KadExamples.peers))
            await stream.closeWriting()
        }
        let reply = try await wired.send(.findNode(LookupTarget(wired.peer)))
        #expect(reply.named.map(\.id) == [KadExamples.id1, KadExamples.id0])
        #expect(reply.address == wired.address)
    }

    @Test("an address is proven only by a connection that was dialled there")
    func inbound() async throws {
        let wired = try Wired(isInbound: true) { stream in
            _ = try await stream.request()
            try await stream.send(try KadExamples.unsigned(KadExamples.peers))
        }
        #expect(try await wired.send(.ping) == Reply(address: nil, origin: wired.address))
    }

    @Test("what goes wrong has the class of who is to blame")
    func faults() async throws {
        func failure(
            _ request: Request = .ping, _ other: @escaping @Sendable (MemoryStream) async throws -> Void
        ) async throws -> FailureClass? {
            try await Wired(other: other).failure(request)
        }
        #expect(try await failure { $0.reset() } == .stream)
        #expect(try await failure { await $0.closeWriting() } == .stream, "no answer")
        #expect(try await failure { $0.breakOff() } == .reset)
        #expect(
            try await failure {
                try await $0.send(Array(try KadExamples.unsigned(KadExamples.peers).dropLast()))
                await $0.closeWriting()
            } == .stream, "half an answer")
        #expect(try await failure { try await $0.send([0x81, 0x80, 0x10]) } == .badResponse, "256 KiB and a byte")
        #expect(try await failure { try await $0.send([0x80, 0x00]) } == .badResponse)
        #expect(try await failure { try await $0.send([2, 0xff, 0xff]) } == .badResponse)
        #expect(try await failure { try await $0.send(KadExamples.getValue) } == .badResponse, "of another kind")
        // The signed record is node 0's, and node 1 sends it.
        #expect(try await failure { try await $0.send(KadExamples.peers) } == .badResponse)
        let put = Request.putValue(key: hello, value: [1])
        #expect(try await failure(put) { try await $0.send(KadExamples.putEcho) } == .badResponse, "another value")
    }

    @Test("a dial that fails keeps its class and its address; what cannot be asked speaks against nobody")
    func dials() async throws {
        let address = try Multiaddr("/ip4/10.0.0.9/tcp/1")
        let peer = try Peer.of(KadExamples.id1)
        let transport = Libp2pTransport {
            OwnContact(id: $0.remote, addresses: [])
        } open: {
            (_, _) throws(ConnectionError) in
            throw ConnectionError(.timedOut, at: address)
        }
        await #expect(throws: TransportError(.timeout, at: address)) {
            _ = try await transport.send(.ping, to: peer, at: [address])
        }
        let wired = try Wired { _ in }
        #expect(await wired.failure(.findNode(LookupTarget(key: .zero))) == .cancelled)
    }

    @Test("who is told of a provider may answer, close or say nothing; a reset is a refusal")
    func providers() async throws {
        let request = Request.addProvider(KadExamples.provided)
        let answering = try Wired { stream in
            let message = try await stream.request()
            #expect(message.providerPeers.map { Array($0.id) } == [KadExamples.id0])
            var echo = KadMessage()
            echo.type = .addProvider
            echo.key = message.key
            try await stream.write(FrameDecoder.frame(try echo.written()))
        }
        #expect(await answering.failure(request) == nil)
        let closing = try Wired { stream in
            _ = try await stream.request()
            await stream.closeWriting()
        }
        #expect(await closing.failure(request) == nil)
        var impatient = Libp2pTransport.Configuration()
        impatient.providerGrace = .milliseconds(20)
        #expect(try await Wired(impatient) { _ = try await $0.request() }.failure(request) == nil, "silence")
        let refusing = try Wired { stream in
            _ = try await stream.request()
            stream.reset()
        }
        #expect(await refusing.failure(request) == .stream)
        let confused = try Wired { stream in
            _ = try await stream.request()
            try await stream.send(KadExamples.ping)
        }
        #expect(await confused.failure(request) == .badResponse)
    }

    @Test("a request that is cancelled returns, and its stream is reset", arguments: [false, true])
    func cancellation(isProvider: Bool) async throws {
        let reset = AsyncStream<Bool>.makeStream()
        let begun = AsyncStream<Void>.makeStream()
        let wired = try Wired { stream in
            _ = try await stream.request()
            begun.continuation.yield()
            // Nothing more comes: this fails with the reset.
            while (try? await stream.write(ByteBuffer())) != nil { try await Task.sleep(for: .milliseconds(1)) }
            reset.continuation.yield(true)
        }
        let request = isProvider ? Request.addProvider(KadExamples.provided) : .ping
        let task = Task { await wired.failure(request) }
        for await _ in begun.stream { break }
        task.cancel()
        #expect(await task.value == .cancelled)
        for await isReset in reset.stream {
            #expect(isReset)
            break
        }
    }

    @Test("requests to one peer take turns, and those that wait can be cancelled")
    func turns() async throws {
        var configuration = Libp2pTransport.Configuration.test
        configuration.requestsPerPeer = 3
        let open = Mutex((now: 0, most: 0))
        let gate = AsyncStream<Void>.makeStream()
        let wired = try Wired(configuration) { stream in
            open.withLock { open in
                open.now += 1
                open.most = max(open.most, open.now)
            }
            _ = try await stream.request()
            for await _ in gate.stream { break }
            open.withLock { $0.now -= 1 }
            var answer = KadMessage()
            answer.type = .findNode
            try await stream.write(FrameDecoder.frame(try answer.written()))
        }
        let tasks = (0..<12).map { _ in Task { await wired.failure() } }
        while open.withLock({ $0.now }) < 3 { await Task.yield() }
        let cancelled = (0..<5).map { _ in Task { await wired.failure() } }
        for task in cancelled { task.cancel() }
        for task in cancelled { #expect(await task.value == .cancelled) }
        gate.continuation.finish()
        for task in tasks { #expect(await task.value == nil) }
        #expect(open.withLock { $0.most } == 3)
    }

    @Test("transport and server understand each other in all that can be asked")
    func together() async throws {
        let peer = try Peer.of(KadExamples.id0)
        let found = FoundPeer(peer: peer, addresses: [try Multiaddr("/ip4/10.0.0.7/tcp/7")])
        let own = try #require(PeerID(KadExamples.id1))
        let server = KadServer(
            records: SenderRecords(), sender: { _ in OwnContact(id: own, addresses: []) },
            answer: { query, _, _ in
                switch query {
                case .getValue(let key): QueryAnswer(closer: [found], value: key)
                case .getProviders: QueryAnswer(closer: [found], providers: [found])
                default: QueryAnswer(closer: [found])
                }
            })
        let wired = try Wired { try await server.serve($0) }
        let named = [NamedPeer(id: KadExamples.id0, addresses: found.addresses)]
        #expect(try await wired.send(.ping) == Reply(address: wired.address))
        #expect(try await wired.send(.findNode(LookupTarget(peer))) == Reply(address: wired.address, named: named))
        #expect(
            try await wired.send(.getValue(hello))
                == Reply(address: wired.address, named: named, content: .value(hello)))
        #expect(
            try await wired.send(.getProviders(hello))
                == Reply(address: wired.address, named: named, content: .providers(named)))
        let value = [UInt8](repeating: 3, count: 1 << 20)
        #expect(try await wired.send(.putValue(key: hello, value: value)) == Reply(address: wired.address))
        #expect(try await wired.send(.addProvider(hello)) == Reply(address: wired.address))
    }
}
