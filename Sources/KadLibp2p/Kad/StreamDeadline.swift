import Synchronization

/// Resets a stream whose other end lets a moment pass. Whatever waits on the stream then fails.
final class StreamDeadline: Sendable {
    private final class State: Sendable {
        let due: Mutex<ContinuousClock.Instant>
        let hasPassed = Atomic(false)

        init(due: ContinuousClock.Instant) { self.due = Mutex(due) }
    }

    private let state: State
    private let task: Task<Void, Never>

    init(_ stream: any MessageStream, after duration: Duration) {
        let state = State(due: .now + duration)
        self.state = state
        task = Task {
            while true {
                let due = state.due.withLock { $0 }
                guard due > .now else { break }
                do { try await Task.sleep(until: due, clock: .continuous) } catch { return }
            }
            state.hasPassed.store(true, ordering: .releasing)
            stream.reset()
        }
    }

    deinit { task.cancel() }

    /// Whether it has passed, and the stream was reset for it.
    var hasPassed: Bool { state.hasPassed.load(ordering: .acquiring) }

    /// Begins anew.
    func restart(_ duration: Duration) { state.due.withLock { $0 = .now + duration } }

    func cancel() { task.cancel() }
}
