import Dispatch
import KadStore

/// Runs blocking work on a thread of its own: Swift's cooperative pool has few threads, and files and pipes may keep one
/// waiting for as long as they like.
///
/// - Parameter body: is told when the calling task is cancelled.
func withOwnThread<Value>(
    _ body: sending @escaping (Cancellation) throws(ExchangeError) -> Value
) async throws(ExchangeError) -> Value {
    let cancellation = Cancellation()
    let work = Handover(body)
    let outcome: Handover<Result<Value, ExchangeError>> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "kadstore.exchange").async {
                do throws(ExchangeError) {
                    continuation.resume(returning: Handover(.success(try work.value(cancellation))))
                } catch {
                    continuation.resume(returning: Handover(.failure(error)))
                }
            }
        }
    } onCancel: {
        cancellation.request()
    }
    return try outcome.value.get()
}

extension Cancellation {
    /// How long, in milliseconds, a wait for a pipe lasts before somebody may wish to stop it.
    static let patience: Int32 = 100

    /// - Throws: ``ExchangeError/cancelled`` when somebody wishes to stop.
    func check() throws(ExchangeError) {
        if isRequested { throw .cancelled }
    }
}
