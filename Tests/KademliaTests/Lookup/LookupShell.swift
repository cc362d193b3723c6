import Testing

@testable import Kademlia

/// Carries out the directives of a lookup under a virtual clock, and notes everything that the lookup was ever told.
struct LookupShell {
    /// What comes of asking a peer.
    enum Reply {
        case answer([Key], after: Int64)
        case failure(FailureClass, after: Int64)
        /// Neither an answer nor an error: only the lookup's own deadline ends it.
        case silence
        case skip
    }

    private enum Event {
        case answer(Key, [Key])
        case failure(Key, FailureClass)
        case refill(Lookup.RefillToken, keys: [Key], reached: Distance?)
    }

    var lookup: Lookup
    var now = Uptime(milliseconds: 1_000)
    /// Who is asked, and what comes of it.
    var reply: (Key) -> Reply
    /// The peers that the store holds, learnt ones included; nil when there is no store.
    var store: Set<Key>?
    var rtt: (Key) -> RTTEstimate? = { _ in nil }
    var refillDelay: () -> Int64 = { 0 }
    /// Called after every step, with what it brought.
    var inspect: (LookupShell, [Lookup.Directive]) -> Void = { _, _ in }

    private var events: [(at: Int64, number: Int, event: Event)] = []
    private var eventCount = 0
    private var pending: [Lookup.Directive] = []

    /// Everything the lookup was offered.
    private(set) var offered: Set<Key> = []
    private(set) var asked: [Key] = []
    private(set) var skipped: Set<Key> = []
    private(set) var answered: [Key] = []
    private(set) var expired: [Key] = []
    private(set) var abandoned: [Key] = []
    private(set) var closer: [Key] = []
    private(set) var finishes: [Lookup.FinishReason] = []
    private(set) var refillCounts: [Int] = []
    private(set) var violations: [String] = []

    init(_ lookup: Lookup, store: Set<Key>?, reply: @escaping (Key) -> Reply) {
        self.lookup = lookup
        self.store = store
        self.reply = reply
    }

    /// Runs to the end, or until `limit` steps are over.
    mutating func run(steps limit: Int = 100_000) {
        if !lookup.isFinished { take(lookup.start(at: now)) }
        var steps = 0
        while !lookup.isFinished, steps < limit, step() { steps += 1 }
    }

    /// One event or tick. False when nothing is to come: the lookup hangs.
    mutating func step() -> Bool {
        let next = events.min { ($0.at, $0.number) < ($1.at, $1.number) }
        let tick = lookup.nextTick?.milliseconds
        if let next, next.at <= tick ?? .max {
            events.removeAll { $0.number == next.number }
            now = max(now, Uptime(milliseconds: next.at))
            switch next.event {
            case .answer(let key, let names):
                offered.formUnion(names.prefix(lookup.limits.named))
                store?.formUnion(names.prefix(lookup.limits.named))
                if lookup.isAwaiting(key) { answered.append(key) }
                take(lookup.answered(key, naming: names, at: now))
            case .failure(let key, let failureClass): take(lookup.failed(key, failureClass, at: now))
            case .refill(let token, let keys, let reached):
                offered.formUnion(keys)
                take(lookup.refilled(token, with: keys, reached: reached, at: now))
            }
            return true
        }
        guard let tick else { return false }
        now = max(now, Uptime(milliseconds: tick))
        take(lookup.tick(at: now))
        return true
    }

    mutating func offer(_ keys: [Key]) {
        offered.formUnion(keys)
        store?.formUnion(keys)
        take(lookup.offered(keys, at: now))
    }

    mutating func cancel() { take(lookup.cancel(at: now)) }

    private mutating func take(_ directives: [Lookup.Directive]) {
        pending += directives
        check(directives)
        while !pending.isEmpty {
            switch pending.removeFirst() {
            case .query(let key): ask(key)
            case .refill(let token, let count):
                refillCounts.append(count)
                let (keys, reached) = read(after: token.after, count: count)
                schedule(refillDelay(), .refill(token, keys: keys, reached: reached))
            case .closer(let key): closer.append(key)
            case .expired(let key):
                expired.append(key)
                forget(key)
            case .abandon(let key):
                abandoned.append(key)
                forget(key)
            case .finished(let reason): finishes.append(reason)
            }
        }
    }

    private mutating func check(_ directives: [Lookup.Directive]) {
        let found = lookup.invariantViolations()
        if violations.isEmpty { violations += found }
        inspect(self, directives)
    }

    private mutating func ask(_ key: Key) {
        guard lookup.isAwaiting(key) else { return }
        let reply = reply(key)
        if case .skip = reply {
            skipped.insert(key)
            pending += lookup.skipped(key, at: now)
            return
        }
        if asked.contains(key) { violations.append("\(key) was asked twice") }
        asked.append(key)
        _ = lookup.dispatched(key, rtt: rtt(key), at: now)
        switch reply {
        case .answer(let names, let delay): schedule(delay, .answer(key, names))
        case .failure(let failureClass, let delay): schedule(delay, .failure(key, failureClass))
        case .silence, .skip: break
        }
    }

    private mutating func schedule(_ delay: Int64, _ event: Event) {
        eventCount += 1
        events.append((now.advanced(byMilliseconds: delay).milliseconds, eventCount, event))
    }

    private mutating func forget(_ key: Key) {
        events.removeAll {
            switch $0.event {
            case .answer(let other, _), .failure(let other, _): other == key
            case .refill: false
            }
        }
    }

    private func read(after: Distance?, count: Int) -> (keys: [Key], reached: Distance?) {
        guard let store else { return ([], nil) }
        let behind = store.filter { key in after.map { key.distance(to: lookup.target) > $0 } ?? true }
        let keys = Oracle.nearest(count, of: behind, to: lookup.target)
        return (keys, behind.count > keys.count ? keys.last?.distance(to: lookup.target) : nil)
    }

    /// The nearest k that answer, of everything that was offered or is in the store: what an engine that keeps everything
    /// would return.
    func oracle(isLive: (Key) -> Bool) -> [Key] {
        let live = offered.union(store ?? []).filter {
            $0 != lookup.localKey && !skipped.contains($0) && isLive($0)
        }
        return Oracle.nearest(lookup.limits.k, of: live, to: lookup.target)
    }
}
