import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The bytes of a file or pipe through a window that slides along: memory is bounded by what a reader looks at.
///
/// A class, because its buffer is raw memory that a reader looks into without copying. Used by one thread at a time.
final class ByteInput {
    /// What messages call it: the path, or `standard input`.
    let name: String
    /// Where a regular file can be opened again; nil for pipes and the like, and for what was handed over open.
    let path: String?
    /// The size of a regular file in bytes; nil for pipes and the like.
    let size: Int64?
    /// Bytes before the window, from the start of the input.
    private(set) var offset: Int64 = 0
    private(set) var isAtEnd = false
    /// Set by whoever may be told to stop: looked at before every read, so that no endless input holds its reader.
    var cancellation: Cancellation?

    private let descriptor: Int32
    private let ownsDescriptor: Bool
    /// Where in its file the input began; nil for one that cannot be read again.
    private let origin: Int64?
    private var memory: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var start = 0
    private var end = 0

    /// How much is asked of the system at once: fewer, larger reads cost less, beyond this they gain nothing.
    private static let chunk = 256 << 10

    /// Takes over an open descriptor, which need not be seekable.
    init(descriptor: Int32, name: String, closing: Bool, path: String? = nil) {
        self.descriptor = descriptor
        self.name = name
        ownsDescriptor = closing
        capacity = Self.chunk
        memory = .allocate(capacity: capacity)
        var status = stat()
        let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        self.path = isRegular ? path : nil
        size = isRegular ? Int64(status.st_size) : nil
        let position = isRegular ? lseek(descriptor, 0, SEEK_CUR) : -1
        origin = position < 0 ? nil : Int64(position)
    }

    /// Opens a file, or standard input for `-`.
    static func open(path: String) throws(ExchangeError) -> ByteInput {
        if path == "-" { return ByteInput(descriptor: 0, name: "standard input", closing: false) }
        var descriptor: Int32
        repeat {
            // Without O_NONBLOCK a named pipe keeps its opener, deaf to cancellation, until somebody writes. Elsewhere than
            // on Linux, one without a writer would look empty.
            #if canImport(Glibc)
            descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            #elseif canImport(Musl)
            descriptor = Musl.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            #else
            descriptor = Darwin.open(path, O_RDONLY | O_CLOEXEC)
            #endif
        } while descriptor < 0 && errno == EINTR
        guard descriptor >= 0 else { throw ExchangeError(operation: "open", name: path, code: errno) }
        return ByteInput(descriptor: descriptor, name: path, closing: true, path: path)
    }

    deinit {
        memory.deallocate()
        if ownsDescriptor { close(descriptor) }
    }

    /// What has been read and not been consumed. Valid until the next call that changes this input.
    var window: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: memory + start, count: end - start) }

    /// Reads on, so that the window grows; false at the end of the input.
    func fill() throws(ExchangeError) -> Bool {
        guard !isAtEnd else { return false }
        makeRoom()
        var count: Int
        repeat {
            try awaitInput()
            count = read(descriptor, memory + end, min(capacity - end, Self.chunk))
        } while count < 0 && (errno == EINTR || errno == EAGAIN)
        guard count >= 0 else { throw ExchangeError(operation: "read", name: name, code: errno) }
        end += count
        if count == 0 { isAtEnd = true }
        return count > 0
    }

    /// Waits until reading does not block, as long as nobody wishes to stop: the writer of a pipe may be silent for hours.
    private func awaitInput() throws(ExchangeError) {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            try cancellation?.check()
            // Before an input is handed to a thread of its own, a task may look at its beginning.
            if Task.isCancelled { throw .cancelled }
            guard size == nil else { return }
            let ready = poll(&event, 1, Cancellation.patience)
            // What is wrong with the descriptor, reading will tell.
            if ready > 0 || ready < 0 && errno != EINTR { return }
        }
    }

    /// Reads until the window holds `count` bytes, or everything that is left.
    func fill(atLeast count: Int) throws(ExchangeError) {
        while window.count < count, try fill() {}
    }

    /// Moves the window on.
    func consume(_ count: Int) {
        let count = min(max(0, count), end - start)
        start += count
        offset += Int64(count)
    }

    /// Whether ``rewind(to:)`` can go back.
    var canRewind: Bool { origin != nil }

    /// Goes back to an earlier ``offset``.
    func rewind(to earlier: Int64) throws(ExchangeError) {
        guard let origin, lseek(descriptor, off_t(origin + earlier), SEEK_SET) >= 0 else {
            throw ExchangeError(operation: "read again", name: name, code: origin == nil ? ESPIPE : errno)
        }
        start = 0
        end = 0
        offset = earlier
        isAtEnd = false
    }

    /// What is left of the input in a temporary file, which has no name and goes with the last who holds it: to be read
    /// more than once, without waiting for whoever writes a pipe.
    func spooled() throws(ExchangeError) -> ByteInput {
        let spool = ByteInput(descriptor: try SpooledFile(self).descriptorFromStart(), name: name, closing: true)
        spool.cancellation = cancellation
        return spool
    }

    /// Passes over everything up to the end of the line, however far that is, in no more memory than the window.
    func skipLine() throws(ExchangeError) {
        repeat {
            if let newline = window.offset(of: UInt8(ascii: "\n"), from: 0) { return consume(newline + 1) }
            consume(window.count)
        } while try fill()
    }

    private func makeRoom() {
        if start == end {
            start = 0
            end = 0
        }
        guard capacity - end < Self.chunk / 4 else { return }
        if start >= capacity / 2 {
            memory.update(from: memory + start, count: end - start)
        } else {
            let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
            grown.update(from: memory + start, count: end - start)
            memory.deallocate()
            memory = grown
            capacity *= 2
        }
        end -= start
        start = 0
    }
}
