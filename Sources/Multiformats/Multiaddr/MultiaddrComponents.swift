/// Walks over the components of a binary address: checks their frame, not their values. It never allocates.
struct ComponentReader {
    private(set) var offset = 0
    private(set) var count = 0
    private var sawPath = false

    /// The next protocol, and where its value lies; nil at the end.
    mutating func next(
        in bytes: UnsafeBufferPointer<UInt8>
    ) throws(MultiaddrError) -> (name: MultiaddrProtocol, value: Range<Int>)? {
        guard offset < bytes.count else { return nil }
        guard count < Multiaddr.componentLimit else {
            throw error(.tooManyComponents(maximum: Multiaddr.componentLimit))
        }
        guard !sawPath else { throw error(.behindPath) }
        var cursor = offset
        let code = try varint(in: bytes, at: &cursor)
        guard let name = MultiaddrProtocol(rawValue: code) else { throw error(.unknownCode(code)) }
        let kind = name.value
        let length: UInt64
        if let byteCount = kind.byteCount {
            length = UInt64(byteCount)
        } else {
            length = try varint(in: bytes, at: &cursor)
        }
        let available = bytes.count - cursor
        guard length <= UInt64(available) else {
            throw error(.truncated(name, declared: length, available: available))
        }
        let value = cursor..<(cursor + Int(length))
        offset = value.upperBound
        count += 1
        sawPath = kind == .path
        return (name, value)
    }

    private func varint(
        in bytes: UnsafeBufferPointer<UInt8>, at cursor: inout Int
    ) throws(MultiaddrError) -> UInt64 {
        do throws(VarintError) {
            return try Varint.read(from: bytes, at: &cursor, byteLimit: Varint.multiformatsByteLimit)
        } catch {
            throw MultiaddrError(reason: .varint(error), offset: cursor, component: count)
        }
    }

    private func error(_ reason: MultiaddrError.Reason) -> MultiaddrError {
        MultiaddrError(reason: reason, offset: offset, component: count)
    }
}

extension Multiaddr {
    /// A protocol with its value in binary, which is empty for a protocol without one.
    public struct Component: Hashable, Sendable {
        public let name: MultiaddrProtocol
        public let value: ArraySlice<UInt8>
    }

    /// The components from left to right, read as they are asked for.
    public struct Components: Sequence, IteratorProtocol, Sendable {
        fileprivate let bytes: ArraySlice<UInt8>
        fileprivate var reader = ComponentReader()

        public mutating func next() -> Component? {
            let found = bytes.withUnsafeBufferPointer { buffer in
                // The bytes were checked when the address was made, so this never fails.
                try? reader.next(in: buffer)
            }
            guard let (name, value) = found else { return nil }
            let start = bytes.startIndex
            return Component(name: name, value: bytes[(start + value.lowerBound)..<(start + value.upperBound)])
        }
    }

    public var components: Components { Components(bytes: bytes) }
}
