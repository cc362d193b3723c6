import Testing

@testable import Kademlia

/// A lookup told by hand. The target is zero, so the peer `n` is at the distance `n`.
struct LookupScript {
    var lookup: Lookup
    /// The directives of the last call.
    var last: [Lookup.Directive] = []

    static func key(_ number: UInt64) -> Key { Key(0, 0, 0, number) }
    static func keys(_ numbers: some Sequence<UInt64>) -> [Key] { numbers.map(key) }

    init(_ configuration: Lookup.Configuration, population: RTTEstimate? = nil) {
        lookup = Lookup(target: .zero, localKey: nil, configuration: configuration, population: population)
    }

    /// Begun at 0, and the store held these peers and no more.
    init(_ configuration: Lookup.Configuration, knowing numbers: some Sequence<UInt64>) {
        self.init(configuration)
        last = lookup.start(at: .zero)
        refill(numbers, reached: nil, at: 0)
    }

    /// The peers to ask, according to the last call.
    var queries: [UInt64] {
        last.compactMap { if case .query(let key) = $0 { key.word3 } else { nil } }
    }

    var refills: [Lookup.RefillToken] {
        last.compactMap { if case .refill(let token, _) = $0 { token } else { nil } }
    }

    var closest: [UInt64] { lookup.closest.map(\.word3) }
    var inFlight: [UInt64] { lookup.inFlight.map(\.word3) }

    mutating func refill(_ numbers: some Sequence<UInt64>, reached: UInt64?, at time: Int64) {
        guard let token = refills.first else { return }
        last = lookup.refilled(
            token, with: Self.keys(numbers), reached: reached.map { Distance(0, 0, 0, $0) },
            at: .init(milliseconds: time))
    }

    /// Sends what the last call wants sent.
    mutating func dispatch(rtt: RTTEstimate? = nil, at time: Int64) {
        for number in queries { _ = lookup.dispatched(Self.key(number), rtt: rtt, at: .init(milliseconds: time)) }
    }

    mutating func answer(_ number: UInt64, naming names: some Sequence<UInt64> = [], at time: Int64) {
        last = lookup.answered(Self.key(number), naming: Self.keys(names), at: .init(milliseconds: time))
    }

    mutating func fail(_ number: UInt64, _ failureClass: FailureClass = .refused, at time: Int64) {
        last = lookup.failed(Self.key(number), failureClass, at: .init(milliseconds: time))
    }

    mutating func skip(_ number: UInt64, at time: Int64) {
        last = lookup.skipped(Self.key(number), at: .init(milliseconds: time))
    }

    mutating func tick(at time: Int64) { last = lookup.tick(at: .init(milliseconds: time)) }
    mutating func cancel(at time: Int64) { last = lookup.cancel(at: .init(milliseconds: time)) }
}

extension Uptime {
    static let zero = Uptime(milliseconds: 0)
}

extension RTTEstimate {
    /// Slow after 100 ms, given up after a second.
    static let quick = RTTEstimate(smoothed: 20_000, variation: 5_000)
}
