import ArgumentParser
import KadEngine
import KadLibp2p
import KadNode
import KadStore
import Kademlia
import Logging
import Multiformats

/// What the commands share that ask the network once.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whom to ask first, beside those whom the store knows: an address with /p2p/ID; may be repeated.",
            valueName: "address"))
    var bootstrap: [AddressArgument] = []

    @Option(
        help: ArgumentHelp(
            "Give up after this time, with what there is: 500ms, 30s, 2m.", valueName: "span"))
    var timeout = Interval(milliseconds: 60_000)

    @OptionGroup var log: LogOptions

    func validate() throws {
        guard (1...86_400_000).contains(timeout.milliseconds) else {
            throw ValidationError("--timeout is between 1ms and 24h.")
        }
    }
}

/// A node without a place of its own in the network: it asks and does not answer, listens nowhere, and leaves the table of
/// the node that the store is of alone. What it learns of others is remembered.
enum ClientNode {
    /// Runs `body` with a client over the store, and ends it.
    ///
    /// - Parameters:
    ///   - keys: nil for ones that nobody will see again.
    ///   - addresses: where others may be told that it is.
    static func with<Value: Sendable>(
        _ store: Store, bootstrap: [(PeerID, [Multiaddr])], log: LogOptions, keys: KeyPair? = nil,
        addresses: [Multiaddr] = [],
        validators: RecordValidators = .libp2p(),
        _ body: (KadNode) async throws -> Value
    ) async throws -> Value {
        let lines = log.lines(default: .critical)
        let keys = try keys ?? KeyPair()
        try Descriptors.require(Descriptors.network)
        let swarm = Swarm(
            keys: keys, configuration: .kadstore(store, announcing: addresses), logger: lines.logger("kadstore.swarm"))
        var configuration = EngineConfiguration()
        configuration.maintains = false
        configuration.isGuest = true
        let node = try await KadNode(
            store: store, id: keys.peerID, transport: Libp2pTransport(swarm: swarm), configuration: configuration,
            bootstrap: bootstrap, validators: validators, logger: lines.logger("kadstore.client"))
        swarm.inform(node)
        // Those that a person names are asked whatever the store knows.
        await node.introduce(bootstrap, source: "bootstrap")
        let running = Task { try await node.run() }
        func end() async throws {
            running.cancel()
            let ended = await running.result
            await swarm.shutdown()
            try ended.get()
        }
        let value: Value
        do {
            value = try await body(node)
        } catch {
            try? await end()
            throw error
        }
        do {
            try await end()
        } catch is StoreError {
            // There is an answer. Closing the store tries once more to write, and says what is wrong.
        }
        return value
    }

    /// One question to the network, within ``ClientOptions/timeout``.
    ///
    /// - Throws: ``CommandError/outOfTime(_:)``, ``CommandError/interrupted(_:)``, and what `body` throws.
    static func asking<Value: Sendable>(
        _ store: Store, _ options: ClientOptions, keys: KeyPair? = nil, addresses: [Multiaddr] = [],
        validators: RecordValidators = .libp2p(),
        _ body: @escaping @Sendable (KadNode) async throws -> Value
    ) async throws -> Value {
        try await with(
            store, bootstrap: PeerAddresses.peers(options.bootstrap), log: options.log, keys: keys,
            addresses: addresses, validators: validators
        ) { node in
            do {
                guard let value = try await within(options.timeout, { try await body(node) }) else {
                    throw CommandError.outOfTime("not all peers had answered.")
                }
                return value
            } catch is CancellationError {
                throw CommandError.interrupted("interrupted: what was learnt of peers is in the store.")
            }
        }
    }

    /// Runs `body` for so long at most.
    ///
    /// - Returns: nil when the time was over first.
    static func within<Value: Sendable>(
        _ limit: Interval, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value? {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: .milliseconds(limit.milliseconds))
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }
}
