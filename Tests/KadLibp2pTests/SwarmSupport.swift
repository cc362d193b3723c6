import KadStore
import Multiformats
import NIOCore
import NIOPosix
import Testing

@testable import KadLibp2p

/// Two swarms on loopback, and what tests do with them.
struct SwarmPair {
    let listener: Swarm
    let dialer: Swarm

    static let echo = "/echo/1.0.0"

    init(
        on address: String = "/ip4/127.0.0.1/tcp/0", listening: SwarmConfiguration = .test,
        dialing: SwarmConfiguration = .test
    ) async throws {
        listener = Swarm(keys: try KeyPair(), configuration: listening)
        dialer = Swarm(keys: try KeyPair(), configuration: dialing)
        listener.handle(Self.echo) { stream in
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        }
        try await listener.listen(on: [Multiaddr(address)])
    }

    func stream(speaking protocols: [String] = [echo]) async throws -> any MessageStream {
        try await dialer.stream(to: listener.peerID, at: listener.listenAddresses, speaking: protocols)
    }

    func shutdown() async {
        await dialer.shutdown()
        await listener.shutdown()
    }

    /// Runs a test on a pair, and ends the pair whatever happens.
    static func with(
        on address: String = "/ip4/127.0.0.1/tcp/0", listening: SwarmConfiguration = .test,
        dialing: SwarmConfiguration = .test, _ body: (SwarmPair) async throws -> Void
    ) async throws {
        let pair = try await SwarmPair(on: address, listening: listening, dialing: dialing)
        do {
            try await body(pair)
        } catch {
            await pair.shutdown()
            throw error
        }
        await pair.shutdown()
    }
}

extension SwarmConfiguration {
    /// Nothing ends by itself while a test runs on a slow machine.
    static var test: SwarmConfiguration {
        var configuration = SwarmConfiguration(scope: .private)
        configuration.handshakeTimeout = .seconds(600)
        configuration.dialTimeout = .seconds(600)
        configuration.negotiationTimeout = .seconds(600)
        configuration.identifyTimeout = .seconds(600)
        configuration.idleTimeout = .seconds(600)
        return configuration
    }
}

extension MessageStream {
    func readAll() async throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try await read() { all.append(contentsOf: bytes.readableBytesView) }
        return all
    }

    func read(exactly count: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count, let bytes = try await read() { all.append(contentsOf: bytes.readableBytesView) }
        return all
    }
}

/// Waits for something that happens soon, or fails.
func eventually(_ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ isTrue: () -> Bool) async throws {
    for _ in 0..<60_000 {
        if isTrue() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record(what, sourceLocation: sourceLocation)
}

/// Whether this machine can listen on an address.
func canListen(on address: String) async -> Bool {
    guard let keys = try? KeyPair(), let address = try? Multiaddr(address) else { return false }
    let swarm = Swarm(keys: keys)
    let works = (try? await swarm.listen(on: [address])) != nil
    await swarm.shutdown()
    return works
}
