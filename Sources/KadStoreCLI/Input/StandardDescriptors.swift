#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Standard input, output and error, which a caller may have closed.
enum StandardDescriptors {
    /// Takes the numbers of those that are closed. The next file or connection that is opened would get them otherwise, and
    /// what is meant for people would be written into it.
    ///
    /// They are open the wrong way round, so that reading and writing them fail as they do where they are closed.
    static func occupy() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            // The lowest free number is this one: those below are open by now.
            _ = open("/dev/null", mode)
        }
    }
}
