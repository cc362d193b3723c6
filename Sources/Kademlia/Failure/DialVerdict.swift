/// Whether a peer may be dialled now, and if not, for how long, in milliseconds.
public enum DialVerdict: Hashable, Sendable {
    /// Nothing speaks against it.
    case allowed
    /// The breaker has been open long enough: one dial may try, once ``BackoffState/grantTrial(at:policy:using:)`` has
    /// leased the permit.
    case trial
    /// The last failure's wait is not over.
    case waiting(milliseconds: Int64)
    /// The circuit breaker is open.
    case breakerOpen(milliseconds: Int64)
    /// Another dial holds the permit, or was lost with it; the lease ends by itself.
    case trialUnderWay(milliseconds: Int64)

    /// Milliseconds until the verdict changes by itself; 0 when a dial is possible now.
    public var remainingMilliseconds: Int64 {
        switch self {
        case .allowed, .trial: 0
        case .waiting(let time), .breakerOpen(let time), .trialUnderWay(let time): time
        }
    }
}

extension BackoffState {
    /// Whether the peer may be dialled now. Changes nothing.
    public func dialVerdict(at now: Instant, policy: FailurePolicy = .standard) -> DialVerdict {
        let time = remaining(at: now)
        switch breaker {
        case .closed: return time > 0 ? .waiting(milliseconds: time) : .allowed
        case .open: return time > 0 ? .breakerOpen(milliseconds: time) : .trial
        case .halfOpen: return time > 0 ? .trialUnderWay(milliseconds: time) : .trial
        }
    }

    /// Leases the half-open permit: until the lease ends, ``dialVerdict(at:policy:)`` is `trialUnderWay` for everybody
    /// else. The deadline moves when the permit is granted, not when the trial ends, so a crash or a cancelled trial
    /// cannot wedge the breaker.
    ///
    /// - Returns: false, and nothing is changed, unless the verdict is `trial`.
    public mutating func grantTrial(
        at now: Instant, policy: FailurePolicy = .standard, using generator: inout some RandomNumberGenerator
    ) -> Bool {
        guard dialVerdict(at: now, policy: policy) == .trial else { return false }
        if breaker == .open { trials = 0 }
        breaker = .halfOpen
        waitMilliseconds = policy.jittered(Swift.max(1, policy.breaker.leaseMilliseconds), using: &generator)
        notBefore = now.advanced(byMilliseconds: waitMilliseconds)
        return true
    }
}
