import Foundation

/// The seeds of random tests. They are test arguments, so a failure prints its own; `KADSTORE_SEED=n` runs only that one.
package enum Seeds {
    package static func first(_ count: Int) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["KADSTORE_SEED"], let seed = UInt64(text) { return [seed] }
        return (1...count).map { UInt64($0) }
    }
}
