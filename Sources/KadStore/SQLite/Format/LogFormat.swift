#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The write-ahead log as a file (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
enum LogFormat {
    static let headerBytes = 32
    static let frameHeaderBytes = 24

    struct Header {
        let pageBytes: Int
        /// What tells one run of the log from the next.
        let salt: UInt64
        /// The sum that the first frame's goes on from; nil where the header's own is wrong.
        let sum: Sum?
        private let isBigEndian: Bool

        init?(_ bytes: [UInt8]) {
            // The two magic numbers differ in the byte order of checksums.
            guard bytes.count == LogFormat.headerBytes, BigEndian.number(bytes, 0) & ~1 == 0x377f_0682,
                BigEndian.number(bytes, 4) == 3_007_000
            else { return nil }
            let size = BigEndian.number(bytes, 8)
            guard (512...65_536).contains(size), size.nonzeroBitCount == 1 else { return nil }
            pageBytes = Int(size)
            salt = BigEndian.number64(bytes, 16)
            isBigEndian = bytes[3] & 1 == 1
            var sum = Sum()
            sum.add(bytes[..<24], isBigEndian: isBigEndian)
            self.sum = sum.isWritten(bytes, 24) ? sum : nil
        }

        /// The sum behind a frame; nil where it is not what the frame says, or the frame of another run.
        func sum(after sum: Sum, frame: [UInt8], page: [UInt8]) -> Sum? {
            guard frame.count == LogFormat.frameHeaderBytes, BigEndian.number64(frame, 8) == salt else { return nil }
            var sum = sum
            sum.add(frame[..<8], isBigEndian: isBigEndian)
            sum.add(page[...], isBigEndian: isBigEndian)
            return sum.isWritten(frame, 16) ? sum : nil
        }
    }

    /// The running checksum.
    struct Sum {
        private var first: UInt32 = 0
        private var second: UInt32 = 0

        init() {}

        /// What a frame says that the sum behind it is.
        init(statedBy frame: [UInt8]) {
            first = BigEndian.number(frame, 16)
            second = BigEndian.number(frame, 20)
        }

        mutating func add(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) {
            bytes.withUnsafeBytes { bytes in
                for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
                    let left = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                    let right = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    first = first &+ (isBigEndian ? left.bigEndian : left.littleEndian) &+ second
                    second = second &+ (isBigEndian ? right.bigEndian : right.littleEndian) &+ first
                }
            }
        }

        fileprivate var written: [UInt8] { BigEndian.bytes(first) + BigEndian.bytes(second) }

        fileprivate func isWritten(_ bytes: [UInt8], _ offset: Int) -> Bool {
            BigEndian.number(bytes, offset) == first && BigEndian.number(bytes, offset + 4) == second
        }
    }

    /// A log in which there is nothing yet.
    static func empty(pageBytes: Int, salt: UInt64) -> [UInt8] {
        let numbers: [UInt32] = [
            0x377f_0682, 3_007_000, UInt32(clamping: pageBytes), 0, UInt32(truncatingIfNeeded: salt >> 32),
            UInt32(truncatingIfNeeded: salt),
        ]
        let bytes = numbers.flatMap(BigEndian.bytes)
        var sum = Sum()
        sum.add(bytes[...], isBigEndian: false)
        return bytes + sum.written
    }

    /// Exactly `count` bytes of a file, or nil at its end.
    static func bytes(_ descriptor: Int32, at offset: Int64, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, off_t(offset)) }
        return got == count ? bytes : nil
    }
}
