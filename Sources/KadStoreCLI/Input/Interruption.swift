import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Ctrl-C as a request to stop at the next safe point.
enum Interruption {
    /// Runs `body` as a task that SIGINT and SIGTERM cancel: it commits what it has in hand and throws. A second signal,
    /// half a second later or more, ends the process at once, which the database survives as well: `timeout`, and others
    /// who pass signals on, send the first one twice.
    static func cancelling<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task { try await body() }
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                task.cancel()
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(500)) { signal(number, SIG_DFL) }
            }
            source.activate()
            return source
        }
        defer {
            for source in sources { source.cancel() }
            for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        }
        return try await task.value
    }
}
