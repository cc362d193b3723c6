/// The lines of an input, one after the other, whatever ends them: LF, CRLF, or the end of the input.
///
/// A line over the limit is skipped and reported, and costs no more memory than the limit.
struct LineReader {
    /// The most bytes of a line: no format here has records near it, and memory is bounded by it.
    static let limit = 1 << 20

    let input: ByteInput
    private let limit: Int
    /// The number of the last line that was returned, from 1.
    private(set) var number = 0
    private var taken = 0

    init(_ input: ByteInput, limit: Int = LineReader.limit) {
        self.input = input
        self.limit = limit
    }

    /// The beginning of the last line, with its end; nil for one that was passed over.
    func text(limit: Int) -> [UInt8]? {
        let line = input.window.prefix(min(taken, limit))
        return line.isEmpty ? nil : Array(line)
    }

    struct Line {
        /// Without its end. Empty for a line that is not to be read. Valid until the next line is asked for.
        let text: UnsafeBufferPointer<UInt8>
        /// With its end.
        let raw: UnsafeBufferPointer<UInt8>
        /// Why the line is not to be read.
        let problem: RejectionReason?
    }

    /// The next line; nil at the end of the input.
    mutating func next() throws(ExchangeError) -> Line? {
        input.consume(taken)
        taken = 0
        var searched = 0
        while true {
            let window = input.window
            if let newline = window.offset(of: UInt8(ascii: "\n"), from: searched) {
                return line(newline, end: 1)
            }
            searched = window.count
            if searched > limit { return try skip() }
            if try !input.fill() {
                guard !input.window.isEmpty else { return nil }
                return line(input.window.count, end: 0)
            }
        }
    }

    private mutating func line(_ count: Int, end: Int) -> Line {
        number += 1
        taken = count + end
        let raw = UnsafeBufferPointer(rebasing: input.window[..<taken])
        guard count <= limit else { return Line(text: Self.none, raw: raw, problem: .tooLong(limit: limit)) }
        var text = UnsafeBufferPointer(rebasing: raw[..<count])
        if text.last == UInt8(ascii: "\r") { text = UnsafeBufferPointer(rebasing: text.dropLast()) }
        guard text.isUTF8 else { return Line(text: Self.none, raw: raw, problem: .notUTF8) }
        return Line(text: text, raw: raw, problem: nil)
    }

    /// Runs over the rest of a line that is too long.
    private mutating func skip() throws(ExchangeError) -> Line {
        number += 1
        try input.skipLine()
        return Line(text: Self.none, raw: Self.none, problem: .tooLong(limit: limit))
    }

    private static var none: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: nil, count: 0) }
}
