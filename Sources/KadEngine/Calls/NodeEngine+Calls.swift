import KadStore
import Kademlia
import Multiformats

extension NodeEngine {
    /// Whether a peer may be dialled now, and where. A half-open trial is granted here, and recorded before the dial: a
    /// crash in the middle of it leaves the peer waiting, not wedged.
    func admit(_ record: PeerRecord) -> [Multiaddr]? {
        let addresses = dialable(record)
        return addresses.isEmpty || !isAdmitted(record) ? nil : addresses
    }

    /// Whether a peer's backoff lets it be dialled now.
    func isAdmitted(_ record: PeerRecord) -> Bool {
        guard configuration.usesHistory, !named.contains(record.key), var backoff = current(record) else { return true }
        // What others told before need not have been the peer's address at all: else telling of an id at a dead address would
        // keep everybody from its owner.
        if record.hasUntriedAddress, !backoff.lastClass.isMisbehaviour { return true }
        switch backoff.dialVerdict(at: now, policy: configuration.failures) {
        case .allowed: return true
        case .trial:
            guard backoff.grantTrial(at: now, policy: configuration.failures, using: &generator) else { return false }
            remember(backoff, of: record.peer)
            return true
        case .waiting, .breakerOpen, .trialUnderWay: return false
        }
    }

    /// Where a peer may be dialled, whatever its wait.
    func dialable(_ record: PeerRecord) -> [Multiaddr] {
        record.dialableAddresses(at: now, policy: configuration.failures).filter(store.scope.admits)
    }

    /// Asks a peer whether it lives.
    func ping(_ peer: Peer, at addresses: [Multiaddr], for purpose: OpenCall.Purpose, lane: ProbePacer.Lane? = nil) {
        let deadline = uptime.advanced(byMilliseconds: configuration.pingMilliseconds)
        call(peer, at: addresses, .ping, for: purpose, until: deadline, lane: lane)
    }

    /// Makes a call. While our own machine is what fails, it waits.
    @discardableResult
    func call(
        _ peer: Peer, at addresses: [Multiaddr], _ request: Request, for purpose: OpenCall.Purpose,
        until deadline: Uptime, lane: ProbePacer.Lane? = nil
    ) -> CallID {
        var open = OpenCall(
            id: calls.nextID(), peer: peer, addresses: addresses, request: request, purpose: purpose,
            deadline: deadline, lane: lane)
        if let until = throttle.until, until > uptime { open.retryAt = until }
        calls.insert(open)
        if open.retryAt == nil { send(open) }
        return open.id
    }

    private func send(_ open: OpenCall) {
        actions.append(
            .call(
                open.id,
                Call(
                    peer: open.peer, addresses: open.addresses, request: open.request,
                    timeoutMilliseconds: max(1, open.deadline.millisecondsSince(uptime)))))
    }

    func cancelCall(_ id: CallID) {
        guard forget(id) != nil else { return }
        actions.append(.cancel(id))
    }

    private func forget(_ id: CallID) -> OpenCall? {
        guard let open = calls.remove(id) else { return nil }
        if let lane = open.lane { upkeep.pacer.release(lane) }
        return open
    }

    /// Tries again what waited, and gives up what has run out.
    func tickCalls() {
        for open in calls.due(at: uptime) {
            if open.deadline <= uptime {
                expire(open.id)
            } else {
                calls.wait(open.id, until: nil)
                send(open)
            }
        }
    }

    /// The time of a call is over. One that waited for its next try did not wait for the peer: it ends with what the last
    /// try failed with, or was never sent.
    func expire(_ id: CallID) {
        guard let open = calls[id] else { return }
        actions.append(.cancel(id))
        finish(id, .failed(open.retryAt == nil ? .timeout : open.lastFailure ?? .local, address: nil))
    }

    /// A try has ended: tries again where the class allows it and time is left, and reports one outcome otherwise.
    func complete(_ id: CallID, _ outcome: CallOutcome) {
        guard let open = calls[id], open.retryAt == nil else { return }
        if case .failed(let failureClass, _) = outcome, let delay = retryDelay(after: failureClass, of: open) {
            calls.countFailure(id, failureClass)
            calls.wait(id, until: uptime.advanced(byMilliseconds: delay))
            return
        }
        finish(id, outcome)
    }

    /// How long until the next try; nil when there is none before the deadline.
    private func retryDelay(after failureClass: FailureClass, of open: OpenCall) -> Int64? {
        let remaining = open.deadline.millisecondsSince(uptime)
        if failureClass == .local {
            throttle.failed(at: uptime)
            return throttle.until.map { $0.millisecondsSince(uptime) }.flatMap { $0 < remaining ? $0 : nil }
        }
        return RetrySchedule.delayMilliseconds(
            attempt: open.failures, after: failureClass, remaining: remaining, policy: configuration.failures,
            using: &generator)
    }

    /// The call's one outcome: remembered, and told to whoever asked for it.
    private func finish(_ id: CallID, _ outcome: CallOutcome) {
        guard let open = forget(id) else { return }
        switch outcome {
        case .answered(let address, let origin, let rtt, let named, let content):
            let reply = screen.screen(named, content, from: open.peer)
            if let fault = reply.fault {
                actions.append(.note(.badReply(open.peer, fault)))
                return fail(open, .badResponse, at: address)
            }
            succeed(open, from: address, origin, rtt: max(0, rtt), with: reply)
        case .failed(let failureClass, let address):
            fail(open, failureClass, at: address)
        }
    }

    private func succeed(
        _ open: OpenCall, from address: Multiaddr?, _ origin: Multiaddr?, rtt: Int64, with reply: ReplyScreen.Screened
    ) {
        let group = (origin ?? address).flatMap(group)
        throttle.succeeded()
        answers += 1
        population.observe(rtt)
        charge(answerOf: open.peer, from: address, in: group, rtt: rtt)
        learn(reply.named, from: open.peer, in: group)
        switch open.purpose {
        case .lookup(let id): lookupAnswered(id, open.peer, rtt, reply)
        case .direct:
            let named = reply.named.map { NamedPeer(id: Array($0.peer.id.bytes), addresses: $0.addresses) }
            tell(
                open.id,
                .answered(
                    address: address, origin: origin, rttMicroseconds: rtt, named: named, content: reply.content))
        case .canary: carryOut(outage.canary(answered: true, at: now))
        case .warmStart, .contact, .redial: break
        }
        warmStartAnswered(open.peer.key)
    }

    private func fail(_ open: OpenCall, _ failureClass: FailureClass, at address: Multiaddr?) {
        if open.purpose == .redial { return charge(redialOf: open.peer, failureClass, at: address) }
        charge(failureOf: open.peer, failureClass, at: address)
        switch open.purpose {
        case .canary: carryOut(outage.canary(answered: false, at: now))
        case .lookup(let id): lookupFailed(id, open.peer, failureClass)
        case .direct: tell(open.id, .failed(failureClass, address: address))
        case .warmStart, .contact, .redial: break
        }
        warmStartFailed(open.peer.key)
    }

    /// What a peer told: remembered as hearsay, within the share of the network that it answered from.
    func learn(_ named: [ReplyScreen.Named], from sender: Peer, in group: NetworkGroup?) {
        let source = sourceName(sender)
        let teller = group.map(GossipQuota.Source.tellers) ?? .peer(sender.key)
        for entry in named where !upkeep.heardLately(entry.peer.key, entry.addresses, at: uptime) {
            guard gossip.takes(1, from: teller, at: uptime) else { return }
            upkeep.hear(entry.peer.key, entry.addresses)
            remember(.heard(entry.peer, addresses: entry.addresses, source: source, at: now))
            carryOut(table.heard(of: entry.peer.key, in: entry.addresses.first.flatMap(self.group), at: now))
        }
    }
}
