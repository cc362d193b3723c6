import Dispatch
import Synchronization

/// Runs blocking work on a thread of its own: Swift's cooperative pool has few threads, and files and pipes may keep one
/// waiting for as long as they like.
///
/// - Parameter body: is given a flag that is set when the calling task is cancelled.
func withOwnThread<Value>(
    _ body: sending @escaping (CancellationFlag) throws(ExchangeError) -> Value
) async throws(ExchangeError) -> Value {
    let flag = CancellationFlag()
    let work = Handover(body)
    let outcome: Handover<Result<Value, ExchangeError>> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "kadstore.exchange").async {
                do throws(ExchangeError) {
                    continuation.resume(returning: Handover(.success(try work.value(flag))))
                } catch {
                    continuation.resume(returning: Handover(.failure(error)))
                }
            }
        }
    } onCancel: {
        flag.set()
    }
    return try outcome.value.get()
}

/// Whether to stop.
final class CancellationFlag: Sendable {
    /// How long, in milliseconds, a wait for a pipe lasts before the flag is looked at again.
    static let patience: Int32 = 100

    private let isSet = Atomic(false)

    var isRaised: Bool { isSet.load(ordering: .relaxed) }

    func set() { isSet.store(true, ordering: .relaxed) }

    func check() throws(ExchangeError) {
        if isRaised { throw .cancelled }
    }
}
