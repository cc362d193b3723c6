import KadStore
import Kademlia
import Multiformats

extension PeerRecord {
    /// Where to dial, in order: the addresses whose own failures are not too fresh.
    ///
    /// Failures are charged to addresses first, so an address has a wait of its own, by the same rules as a peer and from
    /// its own counts. Where every address waits, all are tried, because then the peer's backoff decides; but not those
    /// where somebody else answered. A stream that failed shows that its address works.
    public func dialableAddresses(at now: Instant, policy: FailurePolicy) -> [Multiaddr] {
        let fresh = addresses.filter { wait(at: $0, now, policy) == nil }
        if !fresh.isEmpty { return fresh.map(\.address) }
        return addresses.filter { wait(at: $0, now, policy) != .identityMismatch }.map(\.address)
    }

    /// Whether an address came to be known after the latest failure of a peer that has not answered anywhere yet.
    var hasUntriedAddress: Bool {
        guard lastOK == nil, let lastFailure else { return false }
        return addresses.contains { $0.firstSeen > lastFailure && $0.failures == 0 }
    }

    /// The class of a failure that an address still waits for; nil when it is free.
    private func wait(at address: AddressRecord, _ now: Instant, _ policy: FailurePolicy) -> FailureClass? {
        for failure in failures
        where failure.address == address.address && failure.failureClass.scope != .stream {
            if let lastOK = address.lastOK, lastOK >= failure.lastAt { continue }
            let rule = policy[failure.failureClass]
            let doublings = min(max(0, failure.count - 1), 20)
            let wait = min(rule.capMilliseconds, rule.baseMilliseconds.multipliedSaturating(1 << Int64(doublings)))
            let age = now.millisecondsSince(failure.lastAt)
            if age < wait, age > -wait { return failure.failureClass }
        }
        return nil
    }
}

extension Int64 {
    fileprivate func multipliedSaturating(_ factor: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
