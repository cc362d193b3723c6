import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whether this process may open as many files as it needs: an event loop or a queue with timers that gets none for itself
/// ends the process, with a trace and without a reason.
enum Descriptors {
    /// Linux needs three for each event loop (epoll, a timer, an event), and there is one a core. The others are for a
    /// listener, a few connections, and SQLite's files.
    static var network: Int { 3 * System.coreCount + 10 }

    /// Three for the queues, the store with its log, index and lock, a second connection with as many, and a file that is written
    /// with its owner's mark and its folder.
    static let command = 14

    /// - Throws: ``CommandError/fewDescriptors(limit:needed:)``.
    static func require(_ needed: Int) throws(CommandError) {
        var taken: [Int32] = []
        defer { for descriptor in taken { close(descriptor) } }
        while taken.count < needed {
            let descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
            guard descriptor >= 0 else {
                throw .fewDescriptors(limit: Int(clamping: sysconf(Int32(_SC_OPEN_MAX))), needed: needed)
            }
            taken.append(descriptor)
        }
    }
}
