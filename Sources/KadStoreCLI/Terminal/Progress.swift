import Kademlia
import KadStore
import Synchronization

/// How far a long job is, on a terminal's last line: count, rate and, where the whole is known, the time that is left.
/// In a pipe or file it says nothing.
final class Progress: Sendable {
    private struct State {
        var shownAt: Instant
        var isShown = false
    }

    private let label: String
    private let unit: String
    private let startedAt: Instant
    private let terminal: Terminal
    private let state: Mutex<State>
    private static let intervalMilliseconds: Int64 = 100

    init(_ label: String, unit: String, terminal: Terminal = .standardError) {
        self.label = label
        self.unit = unit
        self.terminal = terminal
        startedAt = Instant.systemClock()
        state = Mutex(State(shownAt: startedAt))
    }

    /// - Parameter fraction: how much of the whole is done, 0 to 1, where that is known.
    func update(_ done: Int, fraction: Double? = nil) {
        guard terminal.isInteractive else { return }
        let now = Instant.systemClock()
        state.withLock { state in
            guard now.millisecondsSince(state.shownAt).magnitude >= Self.intervalMilliseconds else { return }
            state.shownAt = now
            state.isShown = true
            let text = Self.text(
                label: label, unit: unit, done: done, fraction: fraction,
                elapsedMilliseconds: now.millisecondsSince(startedAt), terminal: terminal)
            Messages.raw("\r\u{1b}[K" + terminal.shorten(text, to: (terminal.width ?? 80) - 1))
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

    static func text(
        label: String, unit: String, done: Int, fraction: Double?, elapsedMilliseconds: Int64, terminal: Terminal
    ) -> String {
        var text = "\(label): \(terminal.count(done)) \(unit)"
        let elapsed = Double(max(1, elapsedMilliseconds))
        text += ", \(terminal.count(Int64((Double(done) / elapsed * 1_000).rounded())))/s"
        guard let fraction, fraction > 0, fraction <= 1 else { return text }
        text += ", \(FixedPoint.text(fraction * 100, digits: 0)) %"
        let left = elapsed / fraction - elapsed
        if left.isFinite, left < 1e12 { text += ", \(Span.text(milliseconds: Int64(left))) left" }
        return text
    }
}
