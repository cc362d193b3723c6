#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

// Inside a type with methods of the same names, the C functions need others.
private let systemWrite = write
private let systemRead = read

/// A temporary file without a name: it is gone when it is closed, whatever happens to the process.
final class RunFile {
    private let descriptor: Int32
    private let folder: String
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 18

    init() throws(StoreError) {
        let (descriptor, path) = try TemporaryFile.create(named: "kadstore-sort")
        unlink(path)
        self.descriptor = descriptor
        folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try drain() }
    }

    /// Writes what is buffered and goes back to the start.
    func finish() throws(StoreError) {
        try drain()
        buffer = []
        guard lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw .system(operation: "rewind a temporary file", path: folder, code: errno)
        }
    }

    private func drain() throws(StoreError) {
        var written = 0
        while written < buffer.count {
            let count = buffer.withUnsafeBytes { bytes in
                systemWrite(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                if errno == ENOSPC || errno == EDQUOT { throw .diskFull(path: folder) }
                throw .system(operation: "write a temporary file", path: folder, code: errno)
            }
            written += count
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Appends up to a buffer's worth of bytes.
    ///
    /// - Returns: false at the end.
    func read(into bytes: inout [UInt8]) throws(StoreError) -> Bool {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: Self.bufferSize))
        var count = -1
        repeat {
            count = bytes.withUnsafeMutableBytes { buffer in
                guard let base = buffer.baseAddress else { return 0 }
                return systemRead(descriptor, base + start, Self.bufferSize)
            }
        } while count < 0 && errno == EINTR
        guard count >= 0 else { throw .system(operation: "read a temporary file", path: folder, code: errno) }
        bytes.removeLast(Self.bufferSize - count)
        return count > 0
    }
}

/// A sorted run: in memory, or read back from its file piece by piece.
struct RunSource {
    private(set) var head: RunRecord?
    private let file: RunFile?
    private var bytes: [UInt8]
    private var offset = 0
    private var offsets: [Int]
    private var position = 0

    init(buffer: [UInt8], offsets: [Int]) {
        file = nil
        bytes = buffer
        self.offsets = offsets
        takeFromMemory()
    }

    init(_ file: RunFile) throws(StoreError) {
        self.file = file
        bytes = []
        offsets = []
        try advance()
    }

    mutating func advance() throws(StoreError) {
        guard let file else { return takeFromMemory() }
        head = nil
        while true {
            if let end = recordEnd(at: offset) {
                head = RunRecord(bytes[offset..<end])
                offset = end
                return
            }
            // The head that was handed out may still share the buffer: continue in a new one.
            bytes = Array(bytes[offset...])
            offset = 0
            guard try file.read(into: &bytes) else { return }
        }
    }

    private mutating func takeFromMemory() {
        guard position < offsets.count, let end = recordEnd(at: offsets[position]) else {
            head = nil
            return
        }
        head = RunRecord(bytes[offsets[position]..<end])
        position += 1
    }

    /// Where the record at `offset` ends, if it is all there.
    private func recordEnd(at offset: Int) -> Int? {
        guard bytes.count - offset >= 8 else { return nil }
        let lengths = bytes.withUnsafeBytes { RunRecord.lengths($0, at: offset) }
        let end = offset + 8 + lengths.key + lengths.payload
        return end <= bytes.count ? end : nil
    }
}
