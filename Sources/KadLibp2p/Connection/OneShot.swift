import Synchronization

/// A result that one side delivers once and the other waits for; a waiter that is cancelled leaves at once.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Result<Value, ConnectionError>, Never>)
        case done(Result<Value, ConnectionError>)
    }

    private let state = Mutex(State.empty)

    /// - Returns: false when there was a result already: whoever delivers cleans up what nobody will take.
    @discardableResult
    func complete(_ result: Result<Value, ConnectionError>) -> Bool {
        let (isFirst, waiter) = state.withLock { state in
            switch state {
            case .done: return (false, nil as CheckedContinuation<Result<Value, ConnectionError>, Never>?)
            case .empty:
                state = .done(result)
                return (true, nil)
            case .waiting(let continuation):
                state = .done(result)
                return (true, continuation)
            }
        }
        waiter?.resume(returning: result)
        return isFirst
    }

    /// Whether there is a result: also when the waiter has left.
    var isDone: Bool { state.withLock { if case .done = $0 { true } else { false } } }

    /// Waits for the result. One waiter.
    func value() async throws(ConnectionError) -> Value {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: Result<Value, ConnectionError>? = state.withLock { state in
                    switch state {
                    case .done(let result): return result
                    case .waiting: return .failure(ConnectionError(.inUse))
                    case .empty:
                        state = .waiting(continuation)
                        return nil
                    }
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            complete(.failure(ConnectionError(.cancelled)))
        }
        return try result.get()
    }
}
