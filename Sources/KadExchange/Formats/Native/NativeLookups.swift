import KadStore
import Kademlia

// Counts of lookups: many members of one kind, written and read by one list of names. A peer's line has `failures` already,
// a list.

extension LookupSummary {
    /// What a line of a lookup tells beside its end, duration and identity.
    static var members: [(name: StaticString, path: WritableKeyPath<LookupSummary, Int> & Sendable)] {
        [
            ("queries", \.queries), ("answers", \.answers), ("failed", \.failures), ("timeouts", \.timeouts),
            ("skipped", \.skipped), ("slow", \.slow), ("refills", \.refills), ("hops", \.hops),
            ("offered", \.offered), ("entered", \.entered), ("distances", \.distances),
            ("peakFrontier", \.peakFrontier),
        ]
    }
}

extension LookupTotals {
    static var members: [(name: StaticString, path: WritableKeyPath<LookupTotals, Int> & Sendable)] {
        [
            ("lookups", \.lookups), ("queries", \.queries), ("answers", \.answers), ("failed", \.failures),
            ("timeouts", \.timeouts), ("skipped", \.skipped),
        ]
    }
}
