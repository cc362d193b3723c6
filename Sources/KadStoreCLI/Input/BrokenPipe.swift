import KadExchange

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a command does whose reader has gone (`kadstore export | head`).
enum BrokenPipe {
    /// Runs `body`, which closes what it opened. When its output's reader has gone, the command ends as any other tool
    /// does: silently, by the signal.
    static func ending<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch ExchangeError.brokenPipe {
            raise(SIGPIPE)
            throw CommandError.output(code: EPIPE)
        }
    }
}
