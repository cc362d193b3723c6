import Kademlia

// What happens because time goes by.
extension YamuxSession {
    /// When ``tick(at:)`` is to be called at the latest; nil when the session is over. Never later than something is due,
    /// sometimes earlier. The first one is due at once.
    ///
    /// - Complexity: O(1)
    var nextTick: Uptime? {
        guard end == nil else { return nil }
        return earliestDeadline.map { min($0, keepAlive.nextTick) } ?? keepAlive.nextTick
    }

    mutating func tick(at now: Uptime) -> [Directive] {
        guard end == nil else { return [] }
        switch keepAlive.tick(at: now) {
        case .quiet: break
        case .ping(let value): send(.ping, .syn, length: value)
        case .dead: finish(.keepAliveTimeout, telling: .internalError)
        }
        if let earliestDeadline, earliestDeadline <= now { failOverdueStreams(at: now) }
        return answer()
    }

    /// - Complexity: O(n log n) for n streams
    private mutating func failOverdueStreams(at now: Uptime) {
        earliestDeadline = nil
        for id in streams.keys.sorted() {
            guard let deadline = streams[id]?.deadline(configuration) else { continue }
            if deadline.at <= now {
                fail(id, deadline.error, resets: true)
            } else {
                earliestDeadline = min(earliestDeadline ?? deadline.at, deadline.at)
            }
        }
    }
}
