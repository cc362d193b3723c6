import CoreMetrics
import KadEngine
import KadLibp2p
import KadMetrics
import KadNode
import KadStore
import Kademlia
import Logging
import Multiformats
import ServiceLifecycle

/// One life of `kadstore node`.
struct NodeRun: Sendable {
    let command: NodeCommand

    /// Where a node listens that is not told: libp2p's usual port.
    private static let usualAddress = "/ip4/0.0.0.0/tcp/4001"

    func run() async throws {
        try command.database.requireWriting()
        let bootstrap = try PeerAddresses.peers(command.bootstrap)
        let lines = command.log.lines(default: .info)
        let registry = command.metrics.map { _ in PrometheusRegistry() }
        if let registry { MetricsSystem.bootstrap(registry) }
        if command.salvage { try await salvage() }
        let last = try await command.database.usingLibp2p(creating: command.scope ?? .public, expecting: command.scope)
        {
            try await serve($0, bootstrap, lines, registry)
        }
        // Everything is written, and the file closed.
        if command.output.isJSON { try Self.printLine(last.json("stopped").text) }
    }

    /// Before the store is opened: damage may lie where opening does not look.
    private func salvage() async throws {
        guard FileStatus.exists(command.database.path) else { return }
        var options = SalvageOptions()
        options.network = .libp2p
        options.scope = command.scope
        options.waitMilliseconds = command.database.waitMilliseconds
        // It keeps a copy of such a log, and goes on: a loss of power is no damage.
        options.looksBehindLog = false
        let report = try await Store.salvage(command.database.path, options)
        if report.outcome != .sound { SalvageView.tell(report) }
    }

    private func serve(
        _ store: Store, _ bootstrap: [(PeerID, [Multiaddr])], _ lines: LogLines, _ registry: PrometheusRegistry?
    ) async throws -> Standing {
        let path = command.identity.path(of: command.database)
        let keys = try IdentityFile.loadOrCreate(path)
        let hold = try await IdentityHold(path, waitMilliseconds: command.database.waitMilliseconds)
        defer { withExtendedLifetime(hold) {} }
        try IdentityFile.warn(keys.peerID, with: path, in: store)
        try Descriptors.require(Descriptors.network)
        let swarm = Swarm(
            keys: keys, configuration: .kadstore(store, announcing: command.announce.map(\.address)),
            logger: lines.logger("kadstore.swarm"))
        do {
            let transport = Libp2pTransport(swarm: swarm)
            let node = try await KadNode(
                store: store, id: keys.peerID, transport: transport, bootstrap: bootstrap,
                validators: .libp2p(accepting: command.accept), logger: lines.logger("kadstore.node"))
            swarm.serve(node)
            try await listen(swarm)
            let metrics = try await metricsServer(registry)
            let standing = Standing(
                peer: store.network.idEncoding.encode(keys.peerID), addresses: try full(swarm, keys.peerID),
                metrics: metrics?.url)
            try announce(standing)
            try await untilEnd(node, swarm, metrics, standing, lines)
            return await standing.with(contacts: node.contactCount)
        } catch {
            await swarm.shutdown()
            throw error
        }
    }

    private func listen(_ swarm: Swarm) async throws {
        let addresses = command.listen.isEmpty ? [try Multiaddr(Self.usualAddress)] : command.listen.map(\.address)
        do throws(ConnectionError) {
            try await swarm.listen(on: addresses)
        } catch {
            throw CommandError.cannotListen("peers", "\(error)")
        }
    }

    private func full(_ swarm: Swarm, _ id: PeerID) throws -> [String] {
        try swarm.listenAddresses.map { try $0.with(peerID: id).description }
    }

    private func metricsServer(_ registry: PrometheusRegistry?) async throws -> MetricsServer? {
        guard let registry, let address = command.metrics else { return nil }
        do throws(MetricsServer.ListenError) {
            return try await MetricsServer.listen(host: address.host, port: address.port, registry: registry)
        } catch {
            throw CommandError.cannotListen("metrics on \(address.defaultValueDescription)", "\(error)")
        }
    }

    /// Runs the services until a signal, which cancels this task, begins their graceful end.
    private func untilEnd(
        _ node: KadNode, _ swarm: Swarm, _ metrics: MetricsServer?, _ standing: Standing, _ lines: LogLines
    ) async throws {
        // They end in the reverse order: the node lets go of its calls and flushes before its connections are closed.
        let services: [any Service] = [
            Closing { await metrics?.close() }, Closing { await swarm.shutdown() }, node,
            Announcing { [isJSON = command.output.isJSON] in
                guard await node.untilWarm(), isJSON else { return }
                // Whoever hears of it finds on the store what the node knows.
                try await node.flush()
                try Self.printLine(await standing.with(contacts: node.contactCount).json("ready").text)
            },
        ]
        let group = ServiceGroup(services: services, logger: lines.logger("kadstore.services"))
        let running = Task { try await group.run() }
        try await withTaskCancellationHandler {
            try await running.value
        } onCancel: {
            Task { await group.triggerGracefulShutdown() }
        }
    }

    // MARK: What is printed

    private func announce(_ standing: Standing) throws {
        let text = ([standing.peer] + standing.addresses).joined(separator: " ")
        try Self.printLine(command.output.isJSON ? standing.json("listening").text : text)
    }

    private static func printLine(_ text: String) throws {
        var output = Output()
        try output.line(text)
        try output.flush()
    }

    /// What the events tell of the node.
    private struct Standing: Sendable {
        let peer: String
        let addresses: [String]
        let metrics: String?
        var contacts = 0

        func with(contacts: Int) -> Standing {
            var standing = self
            standing.contacts = contacts
            return standing
        }

        func json(_ event: String) -> JSON {
            .object([
                "version": JSON.formatVersion, "event": .string(event),
                "atMs": .int(Instant.systemClock().milliseconds), "peer": .string(peer),
                "addresses": .strings(addresses), "contacts": .int(contacts), "metrics": .optional(metrics),
            ])
        }
    }
}

/// Waits for the end, and then closes something.
private struct Closing: Service {
    let close: @Sendable () async -> Void

    func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}

/// Says something, and waits for the end: a service that returned would end the others.
private struct Announcing: Service {
    let announce: @Sendable () async throws -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await announce() }
        try? await gracefulShutdown()
    }
}

extension SwarmConfiguration {
    /// Of a node or client over this store.
    static func kadstore(_ store: Store, announcing addresses: [Multiaddr] = []) -> SwarmConfiguration {
        var configuration = SwarmConfiguration(scope: store.scope)
        configuration.announced = addresses
        configuration.agent = "kadstore/\(KadStoreCommand.configuration.version)"
        return configuration
    }
}

extension DatabaseOptions {
    /// Opens a store of libp2p's network for writing, runs `body`, and closes it.
    ///
    /// - Parameters:
    ///   - scope: of a store that is created where there is none; nil creates none.
    ///   - expected: the scope that a store that is there must have; nil is any.
    func usingLibp2p<Value: Sendable>(
        creating scope: Scope? = nil, expecting expected: Scope? = nil, _ body: (Store) async throws -> Value
    ) async throws -> Value {
        let (value, fault) = try await answeringLibp2p(creating: scope, expecting: expected, body)
        if let fault { throw fault }
        return value
    }

    /// Likewise, where the result is worth having although the store cannot be written: see ``answering(_:_:)``.
    func answeringLibp2p<Value: Sendable>(
        creating scope: Scope? = nil, expecting expected: Scope? = nil, _ body: (Store) async throws -> Value
    ) async throws -> (result: Value, fault: StoreError?) {
        let existed = FileStatus.exists(path)
        let mode: OpenMode
        if let scope, !existed || expected != nil { mode = .create(.libp2p, scope) } else { mode = .readWrite }
        return try await answering(mode) { store in
            guard store.network == .libp2p else {
                throw StoreError.networkMismatch(
                    path: store.path, expected: Network.libp2p.name, found: store.network.name)
            }
            if !existed {
                let path = Terminal.standardError.safe(store.path)
                Messages.line("Created \(path): network \(store.network.name), \(store.scope) scope.")
            }
            return try await body(store)
        }
    }
}
