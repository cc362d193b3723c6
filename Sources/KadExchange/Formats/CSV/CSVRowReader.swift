/// Splits CSV (RFC 4180) into rows and fields without copying. Line ends are LF or CRLF; a quoted field may hold both.
struct CSVRowReader {
    /// The most bytes of a row.
    static let limit = 1 << 20

    let input: ByteInput
    /// The line that the last row began on, from 1.
    private(set) var number = 0
    private var nextNumber = 1
    private var taken = 0
    /// The beginning of the line that was passed over last, when no row came after it.
    private var skipped: [UInt8]?
    private(set) var fields: [Field] = []

    struct Field {
        var range: Range<Int>
        /// Whether quotes are doubled inside.
        var hasQuotes: Bool
    }

    init(_ input: ByteInput) { self.input = input }

    enum Row {
        case fields
        case blank
        case problem(RejectionReason)
    }

    /// Reads the next row into ``fields``; nil at the end of the input.
    mutating func next() throws(ExchangeError) -> Row? {
        input.consume(taken)
        taken = 0
        skipped = nil
        number = nextNumber
        while true {
            switch Self.scan(input.window, isLast: false, into: &fields) {
            case .row(let end, let lines):
                taken = end
                nextNumber += lines
                if fields.count == 1, fields[0].range.isEmpty { return .blank }
                return .fields
            case .badQuote:
                // Only this line: what follows may be whole rows.
                return try skipLine(.unclosedQuote)
            case .needsMore:
                if input.window.count > Self.limit {
                    let isQuoted = input.window.part(0..<Self.limit).offset(of: UInt8(ascii: "\n"), from: 0) != nil
                    return try skipLine(isQuoted ? .unclosedQuote : .tooLong(limit: Self.limit))
                }
                if try !input.fill() {
                    guard !input.window.isEmpty else { return nil }
                    switch Self.scan(input.window, isLast: true, into: &fields) {
                    case .row(let end, let lines):
                        taken = end
                        nextNumber += lines
                        if fields.count == 1, fields[0].range.isEmpty { return .blank }
                        return .fields
                    case .badQuote, .needsMore: return try skipLine(.unclosedQuote)
                    }
                }
            }
        }
    }

    /// The beginning of the last row, with its end, or of the line that was passed over.
    func text(limit: Int) -> [UInt8]? {
        if let skipped { return Array(skipped.prefix(limit)) }
        return taken > 0 ? Array(input.window.prefix(min(taken, limit))) : nil
    }

    /// The bytes of a field; doubled quotes stand as they are.
    func raw(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        guard index < fields.count else { return input.window.part(0..<0) }
        return input.window.part(fields[index].range)
    }

    /// Calls `body` with what a field stands for.
    func withField<Value, Failure: Error>(
        _ index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let bytes = raw(index)
        guard index < fields.count, fields[index].hasQuotes else { return try body(bytes) }
        var plain: [UInt8] = []
        var wasQuote = false
        for byte in bytes {
            wasQuote = byte == UInt8(ascii: "\"") && !wasQuote
            if !wasQuote { plain.append(byte) }
        }
        return try plain.withUnsafeBufferPointer { (buffer) throws(Failure) in try body(buffer) }
    }

    enum Scan {
        /// Bytes up to and with the row's end, and the line ends among them.
        case row(end: Int, lines: Int)
        case needsMore
        case badQuote
    }

    /// Splits the row at the beginning of `bytes`.
    ///
    /// - Parameter isLast: whether nothing follows.
    static func scan(_ bytes: UnsafeBufferPointer<UInt8>, isLast: Bool, into fields: inout [Field]) -> Scan {
        let comma = UInt8(ascii: ",")
        let newline = UInt8(ascii: "\n")
        let quote = UInt8(ascii: "\"")
        fields.removeAll(keepingCapacity: true)
        var offset = 0
        var lines = 1
        while true {
            if offset < bytes.count, bytes[offset] == quote {
                let start = offset + 1
                var hasQuotes = false
                var close = start
                while true {
                    guard let found = bytes.offset(of: quote, from: close) else {
                        return isLast ? .badQuote : .needsMore
                    }
                    guard found + 1 < bytes.count || isLast else { return .needsMore }
                    guard found + 1 < bytes.count, bytes[found + 1] == quote else {
                        close = found
                        break
                    }
                    hasQuotes = true
                    close = found + 2
                }
                lines += bytes.part(start..<close).reduce(0) { $1 == newline ? $0 + 1 : $0 }
                fields.append(Field(range: start..<close, hasQuotes: hasQuotes))
                offset = close + 1
                if offset < bytes.count, bytes[offset] == UInt8(ascii: "\r") { offset += 1 }
                guard offset < bytes.count else { return isLast ? .row(end: offset, lines: lines) : .needsMore }
                guard bytes[offset] == comma || bytes[offset] == newline else { return .badQuote }
            } else {
                let start = offset
                while offset < bytes.count, bytes[offset] != comma, bytes[offset] != newline { offset &+= 1 }
                guard offset < bytes.count || isLast else { return .needsMore }
                var end = offset
                let isRowEnd = offset >= bytes.count || bytes[offset] == newline
                if isRowEnd, end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
                fields.append(Field(range: start..<end, hasQuotes: false))
                if offset >= bytes.count { return .row(end: offset, lines: lines) }
            }
            offset += 1
            if bytes[offset - 1] == newline { return .row(end: offset, lines: lines) }
        }
    }

    /// Passes over the line that a bad row begins on.
    private mutating func skipLine(_ reason: RejectionReason) throws(ExchangeError) -> Row {
        fields.removeAll(keepingCapacity: true)
        nextNumber += 1
        let end = input.window.offset(of: UInt8(ascii: "\n"), from: 0) ?? input.window.count
        skipped = Array(input.window.prefix(min(end, Rejection.byteLimit)))
        try input.skipLine()
        return .problem(reason)
    }
}
