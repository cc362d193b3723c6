import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What came through a pipe, in a temporary file of its owner's alone: for formats that cannot be read from front to back.
/// Removed with this value.
final class SpooledFile {
    let path: String
    private let descriptor: Int32

    /// Reads the input to its end.
    init(_ input: ByteInput) throws(ExchangeError) {
        (descriptor, path) = try ExchangeError.mapping { () throws(StoreError) in
            try TemporaryFile.create(named: "kadstore-import")
        }
        let sink = ByteSink(descriptor: descriptor, name: path)
        repeat {
            sink.buffer.append(contentsOf: input.window)
            input.consume(input.window.count)
            try sink.flushIfFull()
        } while try input.fill()
        try sink.flush()
    }

    deinit {
        close(descriptor)
        unlink(path)
    }
}
