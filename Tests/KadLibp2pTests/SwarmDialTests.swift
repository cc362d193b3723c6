import Dispatch
import Kademlia
import Multiformats
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import KadLibp2p

/// Says something, whoever comes, and listens to nothing.
private final class Greeter: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    let word: String?

    init(word: String?) { self.word = word }

    func channelActive(context: ChannelHandlerContext) {
        if let word { context.writeAndFlush(NIOAny(ByteBuffer(string: word)), promise: nil) }
    }
}

@Suite("Dialling")
struct SwarmDialTests {
    private func failure(_ body: () async throws -> Void) async -> ConnectionError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? ConnectionError
        }
    }

    /// An address at which nothing listens.
    private func freeAddress() async throws -> Multiaddr {
        let swarm = Swarm(keys: try KeyPair())
        try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
        let address = try #require(swarm.listenAddresses.first)
        await swarm.shutdown()
        return address
    }

    @Test("another peer under an address is told from the one that was dialled, with the address")
    func wrongIdentity() async throws {
        try await SwarmPair.with { pair in
            let other = try KeyPair().peerID
            let addresses = pair.listener.listenAddresses
            let error = await failure { _ = try await pair.dialer.stream(to: other, at: addresses, speaking: ["/x"]) }
            #expect(error?.failureClass == .identityMismatch)
            #expect(error?.address == addresses.first)
            #expect(pair.dialer.connectionCount == 0)
            // An address that names somebody else need not be dialled.
            let named = try addresses[0].with(peerID: pair.listener.peerID)
            let unasked = await failure { _ = try await pair.dialer.stream(to: other, at: [named], speaking: ["/x"]) }
            #expect(unasked?.failureClass == .identityMismatch)
            #expect(unasked?.address == named)
        }
    }

    @Test("a shut port is refused, at its address")
    func refused() async throws {
        try await SwarmPair.with { pair in
            let address = try await freeAddress()
            let error = await failure {
                _ = try await pair.dialer.stream(to: pair.listener.peerID, at: [address], speaking: ["/x"])
            }
            #expect(error?.failureClass == .refused)
            #expect(error?.address == address)
        }
    }

    @Test(
        "addresses of other transports charge nobody",
        arguments: [
            "/ip4/127.0.0.1/udp/1/quic-v1", "/ip4/127.0.0.1/tcp/1/ws", "/dnsaddr/localhost",
            "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/p2p-circuit",
        ])
    func unsupported(text: String) async throws {
        try await SwarmPair.with { pair in
            let error = await failure {
                let addresses = [try Multiaddr(text)]
                _ = try await pair.dialer.stream(to: pair.listener.peerID, at: addresses, speaking: ["/x"])
            }
            #expect(error?.reason == .unsupportedAddress)
            #expect(error?.failureClass == .cancelled)
        }
    }

    @Test("the first address that works is taken, names among them")
    func order() async throws {
        try await SwarmPair.with { pair in
            let shut = try await freeAddress()
            let port = try #require(pair.listener.listenAddresses.first?.port)
            let name = try Multiaddr("/dns4/localhost/tcp/\(port)")
            let quic = try Multiaddr("/ip4/127.0.0.1/udp/1/quic-v1")
            let stream = try await pair.dialer.stream(
                to: pair.listener.peerID, at: [quic, shut, name.with(peerID: pair.listener.peerID), shut],
                speaking: [SwarmPair.echo])
            #expect(stream.remoteAddress == name)
        }
    }

    @Test("nobody dials itself, or without an address")
    func nobody() async throws {
        try await SwarmPair.with { pair in
            let own = await failure {
                _ = try await pair.listener.stream(
                    to: pair.listener.peerID, at: pair.listener.listenAddresses, speaking: ["/x"])
            }
            #expect(own?.reason == .ourselves)
            let nowhere = await failure {
                _ = try await pair.dialer.stream(to: pair.listener.peerID, at: [], speaking: ["/x"])
            }
            #expect(nowhere?.reason == .noAddress)
        }
    }

    @Test("callers who dial one peer at once share a connection, and one who has another address is not misled")
    func shared() async throws {
        try await SwarmPair.with { pair in
            let shut = try await freeAddress()
            let good = pair.listener.listenAddresses
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        let addresses = number % 3 == 0 ? [shut] : good
                        do {
                            let stream = try await pair.dialer.stream(
                                to: pair.listener.peerID, at: addresses, speaking: [SwarmPair.echo])
                            stream.reset()
                        } catch let error as ConnectionError {
                            #expect(addresses == [shut])
                            #expect(error.address == shut && error.failureClass == .refused)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(pair.dialer.connectionCount == 1)
            try await eventually("the listener has one too") { pair.listener.connectionCount == 1 }
            #expect(pair.dialer.state.withLock { $0.dials.isEmpty })
        }
    }

    @Test("nobody is told, of his own address, what went wrong at an address that another caller named")
    func attributed() async throws {
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let hanging = try #require(silent.localAddress?.multiaddr)
        var hurried = SwarmConfiguration.test
        hurried.handshakeTimeout = .seconds(1)
        try await SwarmPair.with(dialing: hurried) { pair in
            let peer = try KeyPair().peerID
            // Known to be somebody else's without being dialled.
            let foreign = try hanging.with(peerID: pair.listener.peerID)
            let first = Task {
                await failure { _ = try await pair.dialer.stream(to: peer, at: [hanging, foreign], speaking: ["/x"]) }
            }
            try await eventually("it is dialled") { pair.dialer.state.withLock { $0.dials[peer] != nil } }
            let second = await failure { _ = try await pair.dialer.stream(to: peer, at: [hanging], speaking: ["/x"]) }
            #expect(second?.reason == .timedOut && second?.address == hanging)
            let told = await first.value
            #expect(told?.failureClass == .identityMismatch && told?.address == foreign)
        }
        try await silent.close()
    }

    @Test("a name that leads where this node does not go is not dialled")
    func rebinding() async throws {
        var open = SwarmConfiguration.test
        open.scope = .public
        try await SwarmPair.with(dialing: open) { pair in
            let port = try #require(pair.listener.listenAddresses.first?.port)
            let name = try Multiaddr("/dns4/localhost/tcp/\(port)")
            let error = await failure {
                _ = try await pair.dialer.stream(to: pair.listener.peerID, at: [name], speaking: [SwarmPair.echo])
            }
            #expect(error?.reason == .unsupportedAddress && error?.failureClass == .cancelled)
        }
    }

    @Test("a resolver that says nothing is waited for no longer than the dial may take, and charges nobody")
    func slowResolver() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        // All threads that resolve are held up.
        let gate = DispatchSemaphore(value: 0)
        let threads = NIOSingletons.blockingPoolThreadCountSuggestion
        for _ in 0..<threads { NIOThreadPool.singleton.submit { _ in gate.wait() } }
        let error = await failure {
            _ = try await NameResolution.addresses(of: "localhost", .v4, within: .milliseconds(50), on: loop)
        }
        for _ in 0..<threads { gate.signal() }
        #expect(error?.failureClass == .local)
        let found = try await NameResolution.addresses(of: "localhost", .v4, within: .seconds(60), on: loop)
        #expect(found == [.v4(0x7f00_0001)])
    }

    @Test("a machine has a way to the internet from a private IPv4 address, but not from a private IPv6 one")
    func routes() throws {
        let (lan, loopback) = (IPAddress.v4(0x0a00_0001), IPAddress.v4(0x7f00_0001))
        let (unique, global6) = (IPAddress.v6(high: 0xfd00 << 48, low: 1), IPAddress.v6(high: 0x2a00 << 48, low: 1))
        let far = IPAddress.v6(high: 0x2a01 << 48, low: 9)
        #expect(Interfaces.reaches(.v4(0x0808_0808), from: [loopback, lan]))
        #expect(!Interfaces.reaches(.v4(0x0808_0808), from: [loopback]))
        #expect(!Interfaces.reaches(far, from: [unique]))
        #expect(Interfaces.reaches(.v6(high: 0xfd00 << 48, low: 2), from: [unique]))
        #expect(Interfaces.reaches(far, from: [unique, global6]))
        #expect(!Interfaces.reaches(far, from: []))
    }

    @Test("one caller's cancellation leaves the others their dial; the last one's ends it")
    func cancelled() async throws {
        // Accepts, and says nothing.
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(silent.localAddress?.multiaddr)
        // Longer than anything is waited for here: that it times out ends nothing.
        var patient = SwarmConfiguration.test
        patient.handshakeTimeout = .seconds(3_600)
        patient.dialTimeout = .seconds(3_600)
        try await SwarmPair.with(dialing: patient) { pair in
            let peer = try KeyPair().peerID
            let calls = (0..<3).map { _ in
                Task { await failure { _ = try await pair.dialer.stream(to: peer, at: [address], speaking: ["/x"]) } }
            }
            try await eventually("all wait for one dial") {
                pair.dialer.state.withLock { $0.dials[peer]?.waiters.count == 3 && $0.channels.count == 1 }
            }
            for (index, call) in calls.enumerated() {
                call.cancel()
                #expect(await call.value?.failureClass == .cancelled)
                #expect(pair.dialer.state.withLock { $0.dials[peer]?.waiters.count ?? 0 } == 2 - index)
            }
            try await eventually("the socket is closed") { pair.dialer.state.withLock { $0.channels.isEmpty } }
        }
        try await silent.close()
    }

    @Test("a peer that accepts and says nothing times out, one that says something else is no peer")
    func silence() async throws {
        var hurried = SwarmConfiguration.test
        hurried.handshakeTimeout = .milliseconds(200)
        // Longer than the line that its first byte announces.
        let page = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html></html>\r\n"
        for (word, expected) in [(nil, FailureClass.timeout), (page, .negotiation)] {
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.pipeline.addHandler(Greeter(word: word))
                }
                .bind(host: "127.0.0.1", port: 0).get()
            let address = try #require(server.localAddress?.multiaddr)
            try await SwarmPair.with(dialing: word == nil ? hurried : .test) { pair in
                let error = await failure {
                    _ = try await pair.dialer.stream(to: pair.listener.peerID, at: [address], speaking: ["/x"])
                }
                #expect(error?.failureClass == expected)
                #expect(error?.address == address)
            }
            try await server.close()
        }
    }

    @Test("a dial that hangs leaves time for the next address")
    func shares() async throws {
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let hanging = try #require(silent.localAddress?.multiaddr)
        var isReached = false
        // A slow machine needs more time for the second address.
        for seconds in [1, 4, 16, 64] where !isReached {
            var configuration = SwarmConfiguration.test
            configuration.handshakeTimeout = .seconds(3_600)
            configuration.dialTimeout = .seconds(seconds)
            try await SwarmPair.with(dialing: configuration) { pair in
                let stream = try? await pair.dialer.stream(
                    to: pair.listener.peerID, at: [hanging] + pair.listener.listenAddresses,
                    speaking: [SwarmPair.echo])
                isReached = stream != nil
            }
        }
        #expect(isReached)
        try await silent.close()
    }

    @Test("a connection is used from both ends, and a new one is dialled when it is gone")
    func reuse() async throws {
        try await SwarmPair.with { pair in
            pair.dialer.handle("/back/1.0.0") { stream in try await stream.write(ByteBuffer(string: "back")) }
            _ = try await pair.stream()
            try await eventually("the listener knows the connection") { pair.listener.connectionCount == 1 }
            let back = try await pair.listener.stream(to: pair.dialer.peerID, at: [], speaking: ["/back/1.0.0"])
            #expect(try await back.readAll() == Array("back".utf8))
            let unspoken = await failure {
                _ = try await pair.listener.stream(to: pair.dialer.peerID, at: [], speaking: ["/x"])
            }
            #expect(unspoken?.failureClass == .negotiation)
            #expect(unspoken?.address == nil)
            #expect(pair.listener.connectionCount == 1)

            for _ in 0..<5 {
                // From the other end, unseen until it is used.
                for connection in pair.listener.state.withLock({ $0.table.all }) { connection.close(.cancelled) }
                let stream = try await pair.stream()
                try await stream.write(ByteBuffer(string: "x"))
                #expect(try await stream.read(exactly: 1) == [0x78])
            }
        }
    }

    @Test("a connection on which nobody answers is not used again")
    func mute() async throws {
        let keys = try KeyPair()
        let opened = Mutex<[ConnectionStream]>([])
        let events = ConnectionEvents(
            established: { _ in nil }, opened: { stream in opened.withLock { $0.append(stream) } }, retired: { _ in },
            closed: { _, _ in }, streams: { _, _ in })
        let settings = ConnectionHandler.Settings(
            role: .listener, keys: keys, number: 1, handshakeTimeout: .seconds(60), idleTimeout: .seconds(600),
            lingerTimeout: .seconds(60), unreadLimit: 1 << 20, unsentLimit: 1 << 20)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionHandler(
                            settings: settings, events: events, metrics: SwarmMetrics(), eventLoop: channel.eventLoop))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(server.localAddress?.multiaddr)
        var hurried = SwarmConfiguration.test
        hurried.negotiationTimeout = .milliseconds(100)
        try await SwarmPair.with(dialing: hurried) { pair in
            let error = await failure {
                _ = try await pair.dialer.stream(to: keys.peerID, at: [address], speaking: ["/x"])
            }
            #expect(error?.reason == .timedOut && error?.address == address)
            #expect(pair.dialer.state.withLock { $0.table.connection(to: keys.peerID) } == nil)
        }
        try await server.close()
    }

    @Test("two that dial each other at once both come through")
    func crossed() async throws {
        try await SwarmPair.with { pair in
            pair.dialer.handle(SwarmPair.echo) { _ in }
            try await pair.dialer.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0")])
            async let forth = pair.stream()
            async let back = pair.listener.stream(
                to: pair.dialer.peerID, at: pair.dialer.listenAddresses, speaking: [SwarmPair.echo])
            _ = try await (forth, back)
            #expect((1...2).contains(pair.dialer.connectionCount))
        }
    }

    @Test("a protocol that is not spoken fails the stream, not the connection")
    func noProtocol() async throws {
        try await SwarmPair.with { pair in
            let error = await failure { _ = try await pair.stream(speaking: ["/a", "/b"]) }
            #expect(error?.failureClass == .negotiation)
            #expect(pair.dialer.connectionCount == 1)
            // The second proposal is heard.
            let stream = try await pair.stream(speaking: ["/a", SwarmPair.echo])
            try await stream.write(ByteBuffer(string: "x"))
            #expect(try await stream.read(exactly: 1) == [0x78])
        }
    }
}
