import Dispatch
import Synchronization

/// A wish to stop, handed from a task to a thread that is none of Swift's.
package final class Cancellation: Sendable {
    private let flag = Atomic(false)

    package init() {}

    package var isRequested: Bool { flag.load(ordering: .relaxed) }

    package func request() { flag.store(true, ordering: .relaxed) }

    func check(done: Int = 0) throws(StoreError) {
        if isRequested { throw .interrupted(done: done) }
    }

    /// Runs `body` on a queue, and tells it when the calling task is cancelled.
    static func run<Result: Sendable>(
        on queue: DispatchQueue, path: String, _ body: @escaping @Sendable (Cancellation) throws -> Result
    ) async throws(StoreError) -> Result {
        let cancellation = Cancellation()
        let outcome: Swift.Result<Result, StoreError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                queue.async {
                    do throws(StoreError) {
                        continuation.resume(
                            returning: .success(try StoreError.mapping(path) { try body(cancellation) }))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
        } onCancel: {
            cancellation.request()
        }
        return try outcome.get()
    }
}
