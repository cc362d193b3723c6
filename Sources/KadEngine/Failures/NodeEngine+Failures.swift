import KadStore
import Kademlia
import Multiformats

extension NodeEngine {
    static func restoredGuard(
        _ store: Store, _ configuration: EngineConfiguration
    ) throws(StoreError) -> OutageGuard {
        guard configuration.usesHistory else { return OutageGuard(configuration: configuration.outage) }
        let (witnesses, canaryAt) = try store.witnesses()
        return OutageGuard(
            configuration: configuration.outage, held: try store.heldFailures(), witnesses: witnesses,
            canaryAt: canaryAt)
    }

    /// A peer's backoff as it counts in this process: a trial that another one granted is void, and a wait that a clock
    /// which was set back made longer than it was meant to be begins anew, once.
    func current(_ record: PeerRecord) -> BackoffState? {
        guard let stored = record.backoff else { return nil }
        let anchored = stored.anchored(at: now)
        if anchored != stored { remember(.backoff(record.peer, anchored)) }
        return trials.contains(record.key) ? anchored : anchored.loaded()
    }

    /// Records a peer's backoff. Its breaker is half-open by this process's doing for as long as it is: the trials that were
    /// answered add up, and one that fails opens it for longer.
    func remember(_ backoff: BackoffState, of peer: Peer) {
        if backoff.breaker == .halfOpen { trials.insert(peer.key) } else { trials.remove(peer.key) }
        remember(.backoff(peer, backoff.isClean ? nil : backoff))
    }

    /// A peer answered: that address is proven to be its own, its streak ends, and whoever is held at this time has a
    /// witness that the network works.
    ///
    /// - Parameter group: the network that the answer came from, whether or not an address is proven by it.
    func charge(answerOf peer: Peer, from address: Multiaddr?, in group: NetworkGroup?, rtt: Int64) {
        remember(.answered(peer, address: address, rtt: rtt, at: now))
        if let record = recall(peer.key), var backoff = current(record) {
            backoff.succeed(at: now, policy: configuration.failures)
            remember(backoff, of: peer)
        }
        clock.succeeded(in: group, at: uptime)
        carryOut(table.answered(peer.key, from: group, at: now))
        carryOut(outage.answered(peer.key, group: group, at: now))
    }

    /// A call failed. It is charged to the address; it speaks against the peer only where ``PeerRecord/speaksAgainstPeer(at:_:)``
    /// says so, and then it is held until it is sure that the fault was not ours.
    func charge(failureOf peer: Peer, _ failureClass: FailureClass, at address: Multiaddr?) {
        switch failureClass {
        case .cancelled, .local: return
        case .identityMismatch:
            remember(.failed(peer, address: address, failureClass, at: now))
            charge(gossiperOf: address, about: peer)
        case .busy:
            soften(peer.key, failureClass, held: 0)
            carryOut(outage.failed(peer.key, group: address.flatMap(group), class: .busy, at: now))
        default:
            guard !isLinkDown else { return }
            remember(.failed(peer, address: address, failureClass, at: now))
            guard let record = recall(peer.key), record.speaksAgainstPeer(at: address, failureClass) else { return }
            let group = (address ?? record.addresses.first?.address).flatMap(group)
            carryOut(outage.failed(peer.key, group: group, class: failureClass, at: now))
        }
    }

    /// A redial failed. Of a peer that is still silent the guard alone is told: the failure is held already. Whatever else
    /// came of it does not confirm that failure.
    func charge(redialOf peer: Peer, _ failureClass: FailureClass, at address: Multiaddr?) {
        switch failureClass {
        case .cancelled, .local: carryOut(outage.failed(peer.key, group: nil, class: failureClass, at: now))
        case .busy, .badResponse, .identityMismatch:
            charge(failureOf: peer, failureClass, at: address)
            carryOut(outage.redialled(peer.key, failed: false, at: now))
        case .timeout, .refused, .reset, .unreachable, .negotiation, .stream:
            carryOut(outage.redialled(peer.key, failed: true, at: now))
        }
    }

    /// Somebody else lives where a peer was said to be. That is the fault of who said so, never of the peer; and nobody's
    /// where the peer once answered there, for then it was true.
    ///
    /// Who said so may have been lied to by whoever lives there, who can be somebody else at any time. So what lives in one
    /// network counts once against one who tells, and once is free.
    private func charge(gossiperOf address: Multiaddr?, about peer: Peer) {
        guard let address, let told = recall(peer.key)?.addresses.first(where: { $0.address == address }),
            told.lastOK == nil, let source = told.source,
            let id = try? store.network.idEncoding.decode(source), let gossiper = try? store.peer(id),
            gossiper.key != peer.key, let record = recall(gossiper.key)
        else { return }
        let wasTold = record.failures.contains { failure in
            failure.failureClass == .identityMismatch && failure.address.map(group) == .some(group(address))
        }
        guard !wasTold else { return }
        remember(.failed(gossiper, address: address, .identityMismatch, at: now))
        var backoff = current(record) ?? .clean(at: now)
        backoff.count(.identityMismatch, at: now, policy: configuration.failures, using: &generator)
        remember(backoff, of: gossiper)
    }

    private func soften(_ key: Key, _ failureClass: FailureClass, held: Int) {
        guard let record = recall(key) else { return }
        var backoff = current(record) ?? .clean(at: now)
        backoff.soften(failureClass, held: held, at: now, policy: configuration.failures, using: &generator)
        remember(backoff, of: record.peer)
    }

    /// What the outage guard decided.
    func carryOut(_ directives: [OutageGuard.Directive]) {
        var discarded = 0
        for directive in directives {
            switch directive {
            case .held(let held):
                remember(.held(held))
                // Nobody is hammered while it is open whose fault it was. Being picked for a redial is no new failure.
                guard held.redialledAt != now else { continue }
                soften(held.key, held.failureClass, held: held.count)
            case .counted(let held): count(held)
            case .discarded(let held):
                discarded += 1
                remember(.settled(held.key))
            case .canary(let groups): askCanary(notIn: groups)
            case .redial(let keys): redial(keys)
            case .changedWitnesses: upkeep.witnessesChanged = true
            }
        }
        if discarded > 0 { actions.append(.note(.failuresDiscarded(discarded))) }
    }

    private func count(_ held: OutageGuard.Held) {
        remember(.settled(held.key))
        guard let record = recall(held.key) else { return }
        var backoff = current(record) ?? .clean(at: held.at)
        backoff.count(held.failureClass, at: held.at, policy: configuration.failures, using: &generator)
        remember(backoff, of: record.peer)
        actions.append(.note(.failureCounted(record.peer, held.failureClass)))
        carryOut(table.failed(held.key))
    }

    /// Asks one that should answer: the contact that answered last, of another network group than those in doubt. If it
    /// does, the uplink works.
    private func askCanary(notIn groups: Set<NetworkGroup>) {
        let fit = table.buckets.flatMap(\.live).filter { contact in
            contact.isVerified && contact.consecutiveFailures == 0 && outage[contact.key] == nil
                && contact.networkGroup.map { !groups.contains($0) } ?? true
        }
        let best = fit.max { ($0.lastOK?.milliseconds ?? .min, $0.key) < ($1.lastOK?.milliseconds ?? .min, $1.key) }
        guard let best, let record = recall(best.key), ask(record, for: .canary) else {
            return carryOut(outage.canary(answered: false, at: now))
        }
    }

    /// Asks the peers again whose failure nobody witnessed, whatever their waits.
    private func redial(_ keys: [Key]) {
        for key in keys {
            if let record = recall(key), ask(record, for: .redial) { continue }
            outage.forget(key)
            remember(.settled(key))
        }
    }

    /// - Returns: false when there is nowhere to ask it.
    private func ask(_ record: PeerRecord, for purpose: OpenCall.Purpose) -> Bool {
        let addresses = dialable(record)
        guard !addresses.isEmpty else { return false }
        ping(record.peer, at: addresses, for: purpose)
        return true
    }
}
