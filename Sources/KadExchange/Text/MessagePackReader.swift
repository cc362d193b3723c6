/// What is wrong with MessagePack.
public enum MessagePackProblem: Hashable, Sendable, CustomStringConvertible {
    /// The bytes end in the middle of a value.
    case cutOff
    /// A byte that begins no value.
    case unassigned(UInt8)

    public var description: String {
        switch self {
        case .cutOff: "it ends in the middle"
        case .unassigned(let byte): "no value begins with 0x\(String(byte, radix: 16))"
        }
    }
}

/// The beginning of a MessagePack value: what it is, and how much follows.
struct MessagePackHeader: Hashable {
    enum Kind {
        /// Nothing, a truth value or a number; and values of types that an application defines.
        case scalar
        case string
        case binary
        case array
        case map
    }

    let kind: Kind
    /// Bytes of a scalar, string or binary; elements of an array; pairs of a map.
    let count: Int
    /// Its own bytes, before what it counts.
    let length: Int

    /// Bytes of the longest header.
    static let limit = 5

    /// The header that `bytes` begin with; nil where they end in it.
    static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> MessagePackHeader? {
        guard let first = bytes.first else { return nil }
        /// A count in the `size` bytes behind the first, and `more` that it does not count.
        func counted(_ kind: Kind, _ size: Int, more: Int = 0) -> MessagePackHeader? {
            guard bytes.count > size else { return nil }
            let count = bytes.part(1..<(1 + size)).reduce(0) { $0 << 8 | Int($1) }
            return MessagePackHeader(kind: kind, count: count + more, length: 1 + size)
        }
        func fixed(_ kind: Kind, _ count: Int) -> MessagePackHeader {
            MessagePackHeader(kind: kind, count: count, length: 1)
        }
        return switch first {
        case 0x00...0x7f, 0xe0...0xff, 0xc0, 0xc2, 0xc3: fixed(.scalar, 0)
        case 0x80...0x8f: fixed(.map, Int(first & 0x0f))
        case 0x90...0x9f: fixed(.array, Int(first & 0x0f))
        case 0xa0...0xbf: fixed(.string, Int(first & 0x1f))
        case 0xc4...0xc6: counted(.binary, 1 << Int(first - 0xc4))
        // An extension's type is a byte behind the count.
        case 0xc7...0xc9: counted(.scalar, 1 << Int(first - 0xc7), more: 1)
        case 0xca: fixed(.scalar, 4)
        case 0xcb: fixed(.scalar, 8)
        case 0xcc...0xcf: fixed(.scalar, 1 << Int(first - 0xcc))
        case 0xd0...0xd3: fixed(.scalar, 1 << Int(first - 0xd0))
        case 0xd4...0xd8: fixed(.scalar, 1 + 1 << Int(first - 0xd4))
        case 0xd9...0xdb: counted(.string, 1 << Int(first - 0xd9))
        case 0xdc, 0xdd: counted(.array, 2 << Int(first - 0xdc))
        case 0xde, 0xdf: counted(.map, 2 << Int(first - 0xde))
        default: throw .messagePack(.unassigned(first))
        }
    }
}

/// Reads MessagePack value by value from a file of any length. What a value contains is passed over by counting, so
/// neither lengths nor depths that a file claims cost memory.
struct MessagePackReader {
    /// Why reading stops: the file cannot be read, or is not MessagePack.
    enum Failure: Error {
        case input(ExchangeError)
        case content(RejectionReason)
    }

    private let input: ByteInput

    init(_ input: ByteInput) { self.input = input }

    /// Where the next value begins.
    var offset: Int64 { input.offset }

    /// Whether nothing follows.
    func isAtEnd() throws(Failure) -> Bool {
        try fill(atLeast: 1)
        return input.window.isEmpty
    }

    /// Reads the header of the next value. What it counts is next.
    func header() throws(Failure) -> MessagePackHeader {
        try fill(atLeast: MessagePackHeader.limit)
        let header: MessagePackHeader?
        do throws(RejectionReason) {
            header = try MessagePackHeader.parse(input.window)
        } catch {
            throw .content(error)
        }
        guard let header else { throw .content(.messagePack(.cutOff)) }
        input.consume(header.length)
        return header
    }

    /// Reads bytes that a header has counted: the caller knows them to be few.
    func bytes(_ count: Int) throws(Failure) -> [UInt8] {
        try fill(atLeast: count)
        guard input.window.count >= count else { throw .content(.messagePack(.cutOff)) }
        defer { input.consume(count) }
        return Array(input.window.part(0..<count))
    }

    /// Passes over one whole value.
    func skip() throws(Failure) { try skip(contentsOf: header()) }

    /// Passes over what a header counts, with all that is in it.
    func skip(contentsOf header: MessagePackHeader) throws(Failure) {
        var left = 0
        var header = header
        while true {
            switch header.kind {
            case .scalar, .string, .binary: try skip(bytes: header.count)
            case .array, .map:
                let (sum, overflow) = left.addingReportingOverflow(header.count * (header.kind == .map ? 2 : 1))
                // No file is as long as that.
                guard !overflow else { throw .content(.messagePack(.cutOff)) }
                left = sum
            }
            guard left > 0 else { return }
            left -= 1
            header = try self.header()
        }
    }

    private func skip(bytes count: Int) throws(Failure) {
        var left = count
        while left > 0 {
            try fill(atLeast: 1)
            let part = min(left, input.window.count)
            guard part > 0 else { throw .content(.messagePack(.cutOff)) }
            input.consume(part)
            left -= part
        }
    }

    private func fill(atLeast count: Int) throws(Failure) {
        do throws(ExchangeError) {
            try input.fill(atLeast: count)
        } catch {
            throw .input(error)
        }
    }
}
