#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Sorts any number of records by their key bytes in bounded memory: runs are sorted in memory, written to temporary
/// files when they fill it, and merged.
///
/// Rows that reach a B-tree in key order load at 500-685 thousand a second, in random order at 158-202: sorting first is
/// what makes bulk loads fast, and it brings the records of one peer together.
package final class RunSorter {
    /// A record's place in the current run, with the first bytes of its key: most comparisons need no more.
    private struct Entry {
        let prefix: UInt64
        let offset: Int
    }

    private let memoryLimit: Int
    private var buffer: [UInt8] = []
    private var entries: [Entry] = []
    private var files: [RunFile] = []
    private var sources: [RunSource] = []
    private var isMerging = false

    package init(memoryLimit: Int) { self.memoryLimit = max(1 << 16, memoryLimit) }

    /// Adds a record: the key, and a payload that `body` appends.
    ///
    /// - Throws: ``StoreError`` when a temporary file cannot be written.
    package func add(
        keyCount: Int, _ key: (inout [UInt8]) -> Void, payload: (inout [UInt8]) -> Void
    ) throws(StoreError) {
        let start = buffer.count
        Self.append(UInt32(keyCount), to: &buffer)
        Self.append(0, to: &buffer)
        key(&buffer)
        payload(&buffer)
        let payloadCount = UInt32(clamping: buffer.count - start - 8 - keyCount)
        for (place, byte) in Self.bytes(payloadCount).enumerated() { buffer[start + 4 + place] = byte }
        var prefix: UInt64 = 0
        for place in 0..<8 {
            prefix = prefix << 8 | (place < keyCount ? UInt64(buffer[start + 8 + place]) : 0)
        }
        entries.append(Entry(prefix: prefix, offset: start))
        if buffer.count + entries.count * MemoryLayout<Entry>.stride > memoryLimit { try spill() }
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private static func append(_ value: UInt32, to buffer: inout [UInt8]) {
        buffer.append(contentsOf: bytes(value))
    }

    private func sortRun() {
        buffer.withUnsafeBytes { bytes in
            entries.sort { left, right in
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                let order = RunRecord.compare(
                    RunRecord.key(bytes, at: left.offset), RunRecord.key(bytes, at: right.offset))
                return order == 0 ? left.offset < right.offset : order < 0
            }
        }
    }

    private func spill() throws(StoreError) {
        sortRun()
        let file = try RunFile()
        for entry in entries {
            let outcome = buffer.withUnsafeBytes { bytes in
                Result { () throws(StoreError) in try file.write(RunRecord.whole(bytes, at: entry.offset)) }
            }
            try outcome.get()
        }
        try file.finish()
        files.append(file)
        buffer.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
    }

    /// The next record in key order, records of equal keys in the order in which they were added; nil at the end.
    package func next() throws(StoreError) -> RunRecord? {
        if !isMerging {
            isMerging = true
            sortRun()
            for file in files { sources.append(try RunSource(file)) }
            sources.append(RunSource(buffer: buffer, offsets: entries.map(\.offset)))
            buffer = []
            entries = []
        }
        if sources.count == 1 {
            let record = sources[0].head
            if record != nil { try sources[0].advance() }
            return record
        }
        var nearest: Int?
        for index in sources.indices {
            guard let head = sources[index].head else { continue }
            guard let best = nearest, let bestHead = sources[best].head else {
                nearest = index
                continue
            }
            if head.isOrdered(before: bestHead) { nearest = index }
        }
        guard let nearest else { return nil }
        let record = sources[nearest].head
        try sources[nearest].advance()
        return record
    }
}

/// One record of a run: `[key length, 4 bytes][payload length, 4 bytes][key][payload]`, little-endian.
package struct RunRecord {
    package let key: ArraySlice<UInt8>
    package let payload: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        let keyCount = bytes.withUnsafeBytes { Self.lengths($0, at: 0).key }
        key = bytes.dropFirst(8).prefix(keyCount)
        payload = bytes.dropFirst(8 + keyCount)
    }

    func isOrdered(before other: RunRecord) -> Bool {
        key.withUnsafeBytes { left in other.key.withUnsafeBytes { Self.compare(left, $0) < 0 } }
    }

    func hasKey(of other: RunRecord) -> Bool { key == other.key }

    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let leftStart = left.baseAddress, let rightStart = right.baseAddress {
            let order = memcmp(leftStart, rightStart, common)
            if order != 0 { return Int(order) }
        }
        return left.count - right.count
    }

    static func lengths(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> (key: Int, payload: Int) {
        (
            Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))),
            Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)))
        )
    }

    static func key(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UnsafeRawBufferPointer {
        let lengths = lengths(bytes, at: offset)
        return UnsafeRawBufferPointer(rebasing: bytes[(offset + 8)..<(offset + 8 + lengths.key)])
    }

    static func whole(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UnsafeRawBufferPointer {
        let lengths = lengths(bytes, at: offset)
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + 8 + lengths.key + lengths.payload)])
    }
}
