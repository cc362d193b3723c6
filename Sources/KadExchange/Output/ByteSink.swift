import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Buffers bytes and writes them to a descriptor. Used by one thread at a time.
package final class ByteSink {
    let name: String
    /// What waits to be written: append here, then call ``flushIfFull()``.
    package var buffer: [UInt8] = []
    /// Bytes written and buffered.
    package var count: Int64 { written + Int64(buffer.count) }

    /// Set by whoever may be told to stop while the reader of a pipe reads nothing.
    var cancellation: Cancellation?

    private let descriptor: Int32
    private let isPipe: Bool
    private var written: Int64 = 0

    private static let capacity = 256 << 10
    /// What a pipe that is ready takes at once; of more, the write itself would wait.
    private static let pipeChunk = 4_096

    init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
        var status = stat()
        isPipe = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        buffer.reserveCapacity(Self.capacity + Self.capacity / 4)
    }

    package func flushIfFull() throws(ExchangeError) {
        if buffer.count >= Self.capacity { try flush() }
    }

    func flush() throws(ExchangeError) {
        let code = withoutPipeSignal { buffer.withUnsafeBytes(write) }
        guard code != ECANCELED else { throw .cancelled }
        guard code == 0 else { throw ExchangeError(operation: "write", name: name, code: code) }
        written += Int64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Waits until a write does not; false when it is told to stop meanwhile.
    private func awaitRoom() -> Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var ready: Int32
        repeat {
            if let cancellation, cancellation.isRequested { return false }
            ready = poll(&event, 1, Cancellation.patience)
        } while ready == 0 || ready < 0 && errno == EINTR
        return true
    }

    /// - Returns: zero, or `errno`; `ECANCELED` when it was told to stop.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            if isPipe, !awaitRoom() { return ECANCELED }
            let part = UnsafeRawBufferPointer(rebasing: isPipe ? rest.prefix(Self.pipeChunk) : rest)
            #if canImport(Glibc)
            let count = Glibc.write(descriptor, part.baseAddress, part.count)
            #elseif canImport(Musl)
            let count = Musl.write(descriptor, part.baseAddress, part.count)
            #else
            let count = Darwin.write(descriptor, part.baseAddress, part.count)
            #endif
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN {
                    guard awaitRoom() else { return ECANCELED }
                    continue
                }
                return errno
            }
            rest = rest.dropFirst(count)
        }
        return 0
    }

    /// A library must not let a closed pipe kill its process: SIGPIPE is held back on this thread, and taken away if the
    /// write raised it, so that the write's EPIPE is all that is left of it.
    private func withoutPipeSignal(_ body: () -> Int32) -> Int32 {
        var pipe = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        var pending = sigset_t()
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGPIPE) == 1
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let code = body()
        if code == EPIPE, !wasPending {
            sigpending(&pending)
            var signal: Int32 = 0
            if sigismember(&pending, SIGPIPE) == 1 { sigwait(&pipe, &signal) }
        }
        return code
    }
}
