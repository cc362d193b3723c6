import Kademlia
import Multiformats
import NIOCore
import NIOPosix

/// One attempt to reach a peer, shared by all that want to.
struct SharedDial {
    let number: UInt64
    let addresses: [Multiaddr]
    let task: Task<Void, Never>
    var waiters: [UInt64: Waiter] = [:]

    struct Waiter {
        let answer: OneShot<Connection>
        /// What it wanted to have dialled: of what goes wrong elsewhere it is told nothing.
        let addresses: [Multiaddr]
    }
}

extension Swarm {
    /// The connection to a peer that there is, or a new one.
    ///
    /// Who comes while a dial is under way waits for it, and tries the addresses that were not in it afterwards.
    ///
    /// - Returns: the connection, and whether it was made by this call.
    func connect(
        to peer: PeerID, at addresses: [Multiaddr], except stale: Connection?
    ) async throws(ConnectionError) -> (Connection, isNew: Bool) {
        guard peer != keys.peerID else { throw ConnectionError(.ourselves) }
        var untried = addresses
        var failures: [ConnectionError] = []
        while true {
            let waiter = SharedDial.Waiter(answer: OneShot(), addresses: addresses)
            let place: Place
            switch join(peer, untried, waiter, except: stale) {
            case .connected(let connection): return (connection, false)
            case .refused(let error): throw error
            case .waiting(let joined): place = joined
            }
            do throws(ConnectionError) {
                return (try await waiter.answer.value(), true)
            } catch {
                leave(peer, place)
                failures.append(error)
                untried.removeAll(where: place.addresses.contains)
                guard error.reason != .cancelled else { throw error }
                guard !untried.isEmpty else { throw .mostTelling(of: failures) }
            }
        }
    }

    /// Where somebody waits.
    private struct Place {
        let dial: UInt64
        let number: UInt64
        /// Those that are dialled.
        let addresses: [Multiaddr]
    }

    private enum Joined {
        case connected(Connection)
        case waiting(Place)
        case refused(ConnectionError)
    }

    private func join(
        _ peer: PeerID, _ addresses: [Multiaddr], _ waiter: SharedDial.Waiter, except stale: Connection?
    ) -> Joined {
        state.withLock { state in
            guard !state.isShutDown else { return .refused(ConnectionError(.shutDown)) }
            if let connection = state.table.connection(to: peer), connection !== stale { return .connected(connection) }
            guard !addresses.isEmpty else { return .refused(ConnectionError(.noAddress)) }
            let number = state.nextNumber()
            if state.dials[peer] == nil {
                let dial = state.nextNumber()
                let task = Task { [self] in
                    let result = await dialAll(peer, addresses)
                    dialled(peer, dial, result)
                }
                state.dials[peer] = SharedDial(number: dial, addresses: addresses, task: task)
            }
            guard let dial = state.dials[peer] else { return .refused(ConnectionError(.cancelled)) }
            state.dials[peer]?.waiters[number] = waiter
            return .waiting(Place(dial: dial.number, number: number, addresses: dial.addresses))
        }
    }

    /// The last one who leaves ends the dial.
    private func leave(_ peer: PeerID, _ place: Place) {
        let orphan = state.withLock { state -> Task<Void, Never>? in
            guard state.dials[peer]?.number == place.dial else { return nil }
            state.dials[peer]?.waiters[place.number] = nil
            guard let dial = state.dials[peer], dial.waiters.isEmpty else { return nil }
            state.dials[peer] = nil
            return dial.task
        }
        orphan?.cancel()
    }

    private func dialled(_ peer: PeerID, _ number: UInt64, _ result: Result<Connection, FailedDial>) {
        let waiters = state.withLock { state -> [SharedDial.Waiter] in
            guard state.dials[peer]?.number == number else { return [] }
            defer { state.dials[peer] = nil }
            return state.dials[peer].map { Array($0.waiters.values) } ?? []
        }
        for waiter in waiters { waiter.answer.complete(result.mapError { $0.told(of: waiter.addresses) }) }
    }

    /// What went wrong at each address.
    private struct FailedDial: Error {
        var failures: [ConnectionError] = []

        /// What went wrong at some of them. Nobody is charged for an address that another caller named.
        func told(of addresses: [Multiaddr]) -> ConnectionError {
            .mostTelling(of: failures.filter { $0.address.map(addresses.contains) ?? true })
        }
    }

    // MARK: One address after the other

    private func dialAll(_ peer: PeerID, _ addresses: [Multiaddr]) async -> Result<Connection, FailedDial> {
        let deadline = ContinuousClock.now + configuration.dialTimeout
        var failed = FailedDial()
        for (index, address) in addresses.enumerated() {
            let share = (deadline - .now) / (addresses.count - index)
            guard share > .zero, !Task.isCancelled else { break }
            do throws(ConnectionError) {
                return .success(try await dial(peer, at: address, within: min(share, configuration.handshakeTimeout)))
            } catch {
                failed.failures.append(ConnectionError(error.reason, at: address))
                logger.debug("dial failed", metadata: failed.failures.last?.metadata)
                guard error.reason != .cancelled, error.reason != .shutDown else { break }
            }
        }
        return .failure(failed)
    }

    private func dial(
        _ peer: PeerID, at address: Multiaddr, within limit: Duration
    ) async throws(ConnectionError) -> Connection {
        guard let endpoint = Endpoint(address) else { throw ConnectionError(.unsupportedAddress) }
        if let named = address.peerID, named != peer { throw ConnectionError(.wrongIdentity(named)) }
        switch endpoint {
        case .ip(let ip, let port): return try await dial(peer, ip, port, named: address, within: limit)
        case .name(let name, let family, let port):
            let deadline = ContinuousClock.now + limit
            // Of names only the addresses tell whether they lead where this node may go.
            let found = try await NameResolution.addresses(of: name, family, within: limit, on: group.any())
                .filter(configuration.scope.admits)
            guard !found.isEmpty else { throw ConnectionError(.unsupportedAddress) }
            var failures: [ConnectionError] = []
            for (index, ip) in found.enumerated() {
                let share = (deadline - .now) / (found.count - index)
                guard share > .zero else { break }
                do throws(ConnectionError) {
                    return try await dial(peer, ip, port, named: address, within: share)
                } catch {
                    failures.append(error)
                    guard error.reason != .cancelled else { break }
                }
            }
            throw failures.isEmpty ? ConnectionError(.timedOut) : .mostTelling(of: failures)
        }
    }

    private func dial(
        _ peer: PeerID, _ ip: IPAddress, _ port: UInt16, named address: Multiaddr, within limit: Duration
    ) async throws(ConnectionError) -> Connection {
        guard let target = try? SocketAddress(ip, port: port) else { throw ConnectionError(.unsupportedAddress) }
        let number = state.withLock { $0.nextNumber() }
        let secured = OneShot<Connection>()
        var settings = handlerSettings(.dialer, number: number)
        settings.expected = peer
        settings.address = address.withoutPeerID
        settings.handshakeTimeout = limit
        let events = self.events.reporting(to: secured)
        ClientBootstrap(group: group)
            .connectTimeout(TimeAmount(limit))
            .channelInitializer { [self, settings] channel in add(settings, events, to: channel) }
            .connect(to: target)
            .whenFailure { secured.complete(.failure(ConnectionError(ConnectionError.Reason($0)))) }
        do throws(ConnectionError) {
            return try await secured.value()
        } catch {
            // Given up, or failed: nothing is left of it.
            state.withLock { $0.channels[number] }?.close(promise: nil)
            throw error.isMissingRoute(to: ip) ? ConnectionError(.unsupportedAddress) : error
        }
    }
}

extension ConnectionEvents {
    /// Tells whoever dialled, too.
    fileprivate func reporting(to secured: OneShot<Connection>) -> ConnectionEvents {
        var events = self
        events.established = { [established] connection in
            if let refusal = established(connection) { return refusal }
            secured.complete(.success(connection))
            return nil
        }
        events.closed = { [closed] connection, error in
            closed(connection, error)
            secured.complete(.failure(error))
        }
        return events
    }
}

extension ConnectionError {
    /// Whether it says no more than that this machine has no route of that family at all: nobody's fault, and no sign that
    /// the uplink is down.
    fileprivate func isMissingRoute(to target: IPAddress) -> Bool {
        guard case .system(let code) = reason, SystemFailure.isMissingRoute(errno: code) else { return false }
        return !Interfaces.reaches(target, from: Interfaces.addresses(target.family))
    }

    /// Whether a connection has ended, and another one may do.
    var isOfConnection: Bool {
        switch reason {
        case .system, .closedByPeer, .tampered: true
        case .muxer(let error): error.scope == .connection
        default: false
        }
    }
}
