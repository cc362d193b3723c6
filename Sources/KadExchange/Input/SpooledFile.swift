import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What came through a pipe, in a temporary file of its owner's alone: for what cannot be read once from front to back.
/// Removed with this value.
final class SpooledFile {
    let path: String
    private let descriptor: Int32

    /// Reads the input to its end.
    ///
    /// - Parameter limit: the most bytes that it may have.
    /// - Throws: ``ExchangeError/unsupported(name:reason:)`` where it has more, among others.
    init(_ input: ByteInput, limit: Int64 = .max) throws(ExchangeError) {
        (descriptor, path) = try ExchangeError.mapping { () throws(StoreError) in
            try TemporaryFile.create(named: "kadstore-spool")
        }
        let sink = ByteSink(descriptor: descriptor, name: path)
        repeat {
            guard Int64(input.window.count) <= limit - sink.count else {
                throw .unsupported(name: input.name, reason: "goes on after the \(limit) bytes that it says to have.")
            }
            sink.buffer.append(contentsOf: input.window)
            input.consume(input.window.count)
            try sink.flushIfFull()
        } while try input.fill()
        try sink.flush()
    }

    /// A descriptor of one's own at the beginning of the file: the file lives as long as it, whatever its name does.
    func descriptorFromStart() throws(ExchangeError) -> Int32 {
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard own >= 0, lseek(own, 0, SEEK_SET) == 0 else {
            throw ExchangeError(operation: "read a temporary file", name: path, code: errno)
        }
        return own
    }

    deinit {
        close(descriptor)
        unlink(path)
    }
}
