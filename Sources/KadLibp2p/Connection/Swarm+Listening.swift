import Kademlia
import Logging
import Multiformats
import NIOCore
import NIOPosix

extension Swarm {
    /// The addresses that are listened on, with their actual ports; unspecified ones (`0.0.0.0`, `::`) are replaced by those of
    /// the machine's interfaces. Without `/p2p`.
    public var listenAddresses: [Multiaddr] {
        let bound = state.withLock { $0.listeners.map(\.address) }
        var addresses: [Multiaddr] = []
        for address in bound {
            for expanded in Self.expand(address) where !addresses.contains(expanded) { addresses.append(expanded) }
        }
        return addresses
    }

    private static func expand(_ address: Multiaddr) -> [Multiaddr] {
        guard let ip = address.ipAddress, let port = address.port, ip.isUnspecified else { return [address] }
        return Interfaces.addresses(ip.family).map { Multiaddr(ip: $0, tcp: port) }
    }

    /// Listens on more addresses, all of them or none.
    ///
    /// - Parameter addresses: `/ip4|ip6/…/tcp/…`; port 0 takes a free one, see ``listenAddresses``.
    /// - Throws: ``ConnectionError`` with the address that could not be listened on.
    public func listen(on addresses: [Multiaddr]) async throws(ConnectionError) {
        var bound: [Listener] = []
        do throws(ConnectionError) {
            for address in addresses { bound.append(try await bind(address)) }
            let listeners = bound
            let isShutDown = state.withLock { state in
                if !state.isShutDown { state.listeners += listeners }
                return state.isShutDown
            }
            guard !isShutDown else { throw ConnectionError(.shutDown) }
            ownRecord.invalidate()
        } catch {
            for listener in bound { listener.channel.close(promise: nil) }
            throw error
        }
        for listener in bound {
            logger.info("listening", metadata: ["address": "\(listener.address)"])
            contact(toldTo: listener.address)
        }
    }

    private func bind(_ address: Multiaddr) async throws(ConnectionError) -> Listener {
        guard case .ip(let ip, let port) = Endpoint(address), let target = try? SocketAddress(ip, port: port) else {
            throw ConnectionError(.unsupportedAddress, at: address)
        }
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { [logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    // Where no descriptor is left, a connection waits for a second instead of being tried for ever.
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptBackoffHandler(shouldForwardIOErrorCaught: false) { error in
                            let text = SystemFailure.text(errno: error.errnoCode)
                            logger.warning("no connection can be accepted", metadata: ["error": "\(text)"])
                            return AcceptBackoffHandler.defaultBackoffProvider(error: error)
                        })
                }
            }
            .childChannelInitializer { [weak self] channel in
                self?.accepted(channel) ?? channel.eventLoop.makeFailedFuture(ConnectionError(.shutDown))
            }
        if ip.family == .v6 {
            // IPv4 has a listener of its own where it is wanted: both may have the same port.
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        do {
            let channel = try await bootstrap.bind(to: target).get()
            guard let actual = channel.localAddress?.multiaddr else { throw ConnectionError(.unsupportedAddress) }
            return Listener(channel: channel, address: actual)
        } catch {
            throw ConnectionError(ConnectionError.Reason(error), at: address)
        }
    }

    /// A connection came: it stays when no limit is against it.
    private func accepted(_ channel: any Channel) -> EventLoopFuture<Void> {
        let ip = channel.remoteAddress?.ip?.address
        let (number, evicted) = state.withLock { state -> (UInt64?, (any Channel)?) in
            let number = state.nextNumber()
            let evicted = state.table.makeRoom(for: ip).flatMap { state.channels[$0] }
            let isTaken = state.table.accept(number, from: ip, isLimited: ip?.reach == .global)
            return (isTaken ? number : nil, evicted)
        }
        if let evicted {
            metrics.refusedConnection()
            evicted.close(promise: nil)
        }
        guard let number else {
            metrics.refusedConnection()
            logger.debug("connection refused: over the limit", metadata: ["address": "\(ip.map { "\($0)" } ?? "?")"])
            return channel.eventLoop.makeFailedFuture(ConnectionError(.limit))
        }
        let added = add(handlerSettings(.listener, number: number), events, to: channel)
        added.whenFailure { [weak self] _ in self?.state.withLock { $0.table.abandon(number) } }
        return added
    }
}
