import Kademlia
import Multiformats
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("A swarm's limits")
struct SwarmLimitTests {
    private func connect(to swarm: Swarm) async throws -> any Channel {
        let address = try #require(swarm.listenAddresses.first?.port)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: Int(address)).get()
    }

    @Test("a peer has so many streams, the next is reset, and others are served")
    func streamsPerPeer() async throws {
        var narrow = SwarmConfiguration.test
        narrow.streamsPerPeer = 4
        try await SwarmPair.with(listening: narrow) { pair in
            var streams: [any MessageStream] = []
            // Identify has one for a moment.
            while streams.count < 4 { if let stream = try? await pair.stream() { streams.append(stream) } }
            await #expect(throws: ConnectionError.self) { _ = try await pair.stream() }
            let other = Swarm(keys: try KeyPair(), configuration: .test)
            _ = try await other.stream(
                to: pair.listener.peerID, at: pair.listener.listenAddresses, speaking: [SwarmPair.echo])
            await other.shutdown()
            for stream in streams { stream.reset() }
            try await eventually("they are released") { pair.listener.state.withLock { $0.servedCount } == 0 }
            _ = try await pair.stream()
        }
    }

    @Test("peers that keep as many streams as they get leave room for one who comes anew")
    func shares() async throws {
        var narrow = SwarmConfiguration.test
        narrow.streamsPerPeer = 8
        narrow.streamLimit = 8
        try await SwarmPair.with(listening: narrow) { pair in
            func stream(of swarm: Swarm) async -> (any MessageStream)? {
                // Identify has one for a moment.
                for _ in 0..<20 {
                    let stream = try? await swarm.stream(
                        to: pair.listener.peerID, at: pair.listener.listenAddresses, speaking: [SwarmPair.echo])
                    if let stream { return stream }
                    try? await Task.sleep(for: .milliseconds(1))
                }
                return nil
            }
            var held: [[any MessageStream]] = []
            var swarms: [Swarm] = []
            for _ in 0..<4 {
                let greedy = Swarm(keys: try KeyPair(), configuration: .test)
                swarms.append(greedy)
                held.append([])
                while let stream = await stream(of: greedy) { held[held.count - 1].append(stream) }
            }
            #expect(held.map(\.count) == [4, 2, 1, 1])
            for swarm in swarms { await swarm.shutdown() }
        }
    }

    @Test("beyond its connections, the one idle longest makes room; a busy one does not")
    func trimming() async throws {
        var narrow = SwarmConfiguration.test
        narrow.connectionLimit = 2
        try await SwarmPair.with(listening: narrow) { pair in
            let kept = try await pair.stream()
            var others: [Swarm] = []
            for _ in 0..<4 {
                let other = Swarm(keys: try KeyPair(), configuration: .test)
                others.append(other)
                // Identify makes a connection busy for a moment: it is refused then, and comes again.
                var stream: (any MessageStream)?
                for _ in 0..<500 where stream == nil {
                    stream = try? await other.stream(
                        to: pair.listener.peerID, at: pair.listener.listenAddresses, speaking: [SwarmPair.echo])
                    if stream == nil { try await Task.sleep(for: .milliseconds(10)) }
                }
                #expect(stream != nil)
                stream?.reset()
            }
            #expect(pair.listener.connectionCount <= 2)
            try await kept.write(ByteBuffer(string: "x"))
            #expect(try await kept.read(exactly: 1) == [0x78])
            for other in others { await other.shutdown() }
        }
    }

    @Test("handshakes that are under way are bounded, and none lasts")
    func pendingHandshakes() async throws {
        var narrow = SwarmConfiguration.test
        narrow.pendingHandshakeLimit = 3
        narrow.handshakeTimeout = .seconds(1)
        try await SwarmPair.with(listening: narrow) { pair in
            var loris: [any Channel] = []
            for _ in 0..<8 {
                let channel = try await connect(to: pair.listener)
                channel.writeAndFlush(ByteBuffer(string: "\u{13}/multi"), promise: nil)
                loris.append(channel)
                #expect(pair.listener.state.withLock { $0.channels.count } <= 3)
            }
            for channel in loris { try await channel.closeFuture.get() }
            try await eventually("nothing is left of them") { pair.listener.state.withLock { $0.channels.isEmpty } }
            // There is room for somebody honest, as soon as he is quick enough.
            var stream: (any MessageStream)?
            for _ in 0..<100 where stream == nil { stream = try? await pair.stream() }
            #expect(stream != nil)
        }
    }

    @Test("whoever speaks something else is shut out, and the swarm goes on", arguments: Seeds.first(3))
    func garbage(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        try await SwarmPair.with { pair in
            for count in [1, 100, 5_000, 200_000] {
                let channel = try await connect(to: pair.listener)
                // Above 1,023 whatever the length of a line may be: it is refused at once.
                let bytes = [0xff] + (1..<count).map { _ in UInt8.random(in: 0x80 ... .max, using: &generator) }
                channel.writeAndFlush(ByteBuffer(bytes: bytes + [0xff, 0xff]), promise: nil)
                try await channel.closeFuture.get()
            }
            _ = try await pair.stream()
        }
    }

    @Test("a stream that agrees on nothing is reset in time, and its connection lives")
    func negotiationDeadline() async throws {
        var hurried = SwarmConfiguration.test
        hurried.negotiationTimeout = .milliseconds(200)
        try await SwarmPair.with(listening: hurried) { pair in
            // A slow machine may not agree on anything in that time. The connection is there, though.
            _ = try? await pair.stream()
            let connection = try #require(pair.dialer.state.withLock { $0.table.all.first })
            let silent = try await connection.open()
            await #expect(throws: ConnectionError.self) { while try await silent.read() != nil {} }
            #expect(pair.dialer.connectionCount == 1)
        }
    }

    @Test("a connection without streams is closed after a while by whoever waits less")
    func idle() async throws {
        var hurried = SwarmConfiguration.test
        hurried.idleTimeout = .milliseconds(50)
        try await SwarmPair.with(dialing: hurried) { pair in
            // A slow machine may take longer than the connection waits for its first stream.
            var opened: (any MessageStream)?
            for _ in 0..<1_000 where opened == nil { opened = try? await pair.stream() }
            let stream = try #require(opened)
            try await eventually("identify has ended") { pair.listener.state.withLock { $0.servedCount } == 1 }
            try await Task.sleep(for: .milliseconds(150))
            try await stream.write(ByteBuffer(string: "x"))
            #expect(try await stream.read(exactly: 1) == [0x78])
            stream.reset()
            try await eventually("it is closed") {
                pair.dialer.connectionCount == 0 && pair.listener.connectionCount == 0
            }
        }
    }

    @Test("a shutdown ends what runs, leaves nothing, and lets nothing begin")
    func shutdown() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let swarm = Swarm(keys: try KeyPair(), configuration: .test, group: group)
        let other = Swarm(keys: try KeyPair(), configuration: .test)
        let isCancelled = Mutex(false)
        swarm.handle("/wait") { stream in
            do {
                while try await stream.read() != nil {}
            } catch {
                isCancelled.withLock { $0 = true }
                throw error
            }
        }
        try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0"), Multiaddr("/ip4/127.0.0.1/tcp/0")])
        let addresses = swarm.listenAddresses
        #expect(Set(addresses).count == 2)
        let stream = try await other.stream(to: swarm.peerID, at: addresses, speaking: ["/wait"])
        let reader = Task { try await stream.read() }
        // Somebody who has not finished his handshake.
        let half = try await connect(to: swarm)
        let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let hanging = try #require(silent.localAddress?.multiaddr)
        let dial = Task { try await swarm.stream(to: KeyPair().peerID, at: [hanging], speaking: ["/x"]) }
        try await eventually("all of it is under way") {
            swarm.state.withLock { $0.channels.count == 3 && $0.servedCount >= 1 }
        }

        await swarm.shutdown()
        #expect(swarm.connectionCount == 0)
        #expect(swarm.listenAddresses.isEmpty)
        #expect(swarm.state.withLock { $0.channels.isEmpty && $0.tasks.isEmpty && $0.dials.isEmpty })
        #expect(isCancelled.withLock { $0 })
        await #expect(throws: ConnectionError.self) { _ = try await dial.value }
        await #expect(throws: ConnectionError.self) { _ = try await reader.value }
        try await half.closeFuture.get()
        await #expect(throws: ConnectionError.self) { try await swarm.listen(on: addresses) }
        await #expect(throws: ConnectionError.self) {
            _ = try await swarm.stream(to: other.peerID, at: addresses, speaking: ["/x"])
        }
        // A second one finds nothing to do.
        await swarm.shutdown()
        try await group.shutdownGracefully()
        await other.shutdown()
        try await silent.close()
    }

    @Test("an address that is taken is told, and nothing is listened on")
    func taken() async throws {
        try await SwarmPair.with { pair in
            let address = try #require(pair.listener.listenAddresses.first)
            do {
                try await pair.dialer.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0"), address])
                Issue.record("it was taken")
            } catch let error as ConnectionError {
                #expect(error.address == address)
                #expect(error.failureClass == .local)
            }
            #expect(pair.dialer.listenAddresses.isEmpty)
        }
    }

    @Test("an unspecified address stands for those of the interfaces, and both families may share a port")
    func unspecified() async throws {
        let swarm = Swarm(keys: try KeyPair(), configuration: .test)
        try await swarm.listen(on: [Multiaddr("/ip4/0.0.0.0/tcp/0")])
        let addresses = swarm.listenAddresses
        #expect(addresses.contains { $0.ipAddress == .v4(0x7f00_0001) })
        #expect(addresses.allSatisfy { $0.ipAddress?.isUnspecified == false && $0.port != 0 })
        if await canListen(on: "/ip6/::1/tcp/0"), let port = addresses.first?.port {
            try await swarm.listen(on: [Multiaddr("/ip6/::/tcp/\(port)")])
            #expect(swarm.listenAddresses.contains { $0.ipAddress == .v6(high: 0, low: 1) })
        }
        await swarm.shutdown()
    }
}
