import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// That one node at a time runs with a key. Two would be one peer to everybody, at two places in turns; on one store, each
/// would write over what the other knows of its table.
final class IdentityHold: Sendable {
    private let descriptor: Int32

    /// Takes hold of a key's file until this goes, or the process does.
    ///
    /// - Parameter milliseconds: how long to wait for another node to end; no longer than until this task is cancelled.
    /// - Throws: ``CommandError/keyInUse(path:)``
    init(_ path: String, waitMilliseconds milliseconds: Int) async throws(CommandError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        self.descriptor = descriptor
        guard descriptor >= 0 else { return }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        // A file system without locks keeps no node from running.
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK || errno == EINTR {
            guard ContinuousClock.now < end, !Task.isCancelled else { throw .keyInUse(path: path) }
            try? await Task.sleep(for: Self.pause)
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Between two attempts.
    private static let pause = Duration.milliseconds(50)
}
