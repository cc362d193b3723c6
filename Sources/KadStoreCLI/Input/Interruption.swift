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
    /// Runs `body` as a task that SIGINT, SIGTERM and SIGHUP (a terminal that is closed) cancel: it commits what it has in
    /// hand, removes what is half written, and throws. A second signal, half a second later or more, ends the process at
    /// once, which the database survives as well: `timeout`, and others who pass signals on, send the first one twice.
    /// Under `nohup`, SIGHUP stays ignored.
    static func cancelling<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task { try await body() }
        let handled = [SIGINT, SIGTERM] + (isIgnored(SIGHUP) ? [] : [SIGHUP])
        let sources = handled.map { number in
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
            for number in handled { signal(number, SIG_DFL) }
        }
        return try await task.value
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        let before = signal(number, SIG_IGN)
        signal(number, before)
        return unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
