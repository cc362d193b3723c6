import KadExchange
import KadStore
import Kademlia
import Synchronization

/// How far a long job is, on a terminal's last line: count, rate and, where the whole is known, the time that is left.
/// In a pipe or file it says nothing.
final class Progress: Sendable {
    private struct State {
        /// When and at what count it was first told of: a job may wait for another before it begins.
        var start: (at: Instant, done: Int)?
        var shownAt = Instant(milliseconds: .min)
        var isShown = false
    }

    private let label: String
    private let unit: String
    private let terminal: Terminal
    private let state = Mutex(State())
    private static let intervalMilliseconds: Int64 = 100

    init(_ label: String, unit: String, terminal: Terminal = .standardError) {
        self.label = label
        self.unit = unit
        self.terminal = terminal
    }

    /// - Parameter fraction: how much of the whole is done, 0 to 1, where that is known.
    func update(_ done: Int, fraction: Double? = nil) {
        guard terminal.isInteractive else { return }
        let now = Instant.systemClock()
        state.withLock { state in
            guard let start = state.start else {
                state.start = (now, done)
                return
            }
            guard now.millisecondsSince(state.shownAt).magnitude >= UInt64(Self.intervalMilliseconds) else { return }
            state.shownAt = now
            state.isShown = true
            let text = Self.text(
                label: label, unit: unit, done: done, since: start.done, fraction: fraction,
                elapsedMilliseconds: now.millisecondsSince(start.at), terminal: terminal)
            Messages.raw("\r\u{1b}[K" + terminal.shorten(text, to: (terminal.width ?? 80) - 1))
        }
    }

    /// How far the reading or writing of a file is.
    func update(_ progress: ImportProgress) {
        switch progress {
        case .reading(let records, let bytes, let size):
            update(records, fraction: size.map { Double(bytes) / Double(max(1, $0)) })
        case .writing(let records, let total):
            update(records, fraction: Double(records) / Double(max(1, total)))
        }
    }

    /// Takes the line away: what comes next is the result.
    func finish() {
        state.withLock { state in
            guard state.isShown else { return }
            state.isShown = false
            Messages.raw("\r\u{1b}[K")
        }
    }

    /// - Parameter start: how much was done when the time began to count.
    static func text(
        label: String, unit: String, done: Int, since start: Int = 0, fraction: Double?, elapsedMilliseconds: Int64,
        terminal: Terminal
    ) -> String {
        var text = "\(label): \(terminal.count(done)) \(unit)"
        let rate = Double(max(0, done - start)) / Double(max(1, elapsedMilliseconds)) * 1_000
        text += ", \(terminal.count(Int64(rate.rounded())))/s"
        guard let fraction, fraction > 0, fraction <= 1 else { return text }
        text += ", \(FixedPoint.text(fraction * 100, digits: 0)) %"
        let left = Double(done) * (1 / fraction - 1) / rate
        if rate > 0, fraction < 1, left < 1e9 { text += ", \(Span.text(milliseconds: Int64(left * 1_000))) left" }
        return text
    }
}
