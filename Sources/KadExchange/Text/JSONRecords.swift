import Multiformats

/// The records of one JSON document: the members of an object or the elements of an array, at the root or one level below
/// it. For documents that hold all peers in one value: no more than one record is in memory, however many there are.
///
/// The walk looks at brackets and strings alone; what a record holds is for ``JSONReader``, which is strict. So a record
/// that is wrong inside is one record lost, and a document whose brackets do not match cannot be read on.
struct JSONRecords {
    enum Shape {
        /// Members of an object: a record's text begins with its name.
        case members
        /// Elements of an array.
        case elements

        fileprivate var opening: UInt8 { self == .members ? UInt8(ascii: "{") : UInt8(ascii: "[") }
        fileprivate var closing: UInt8 { self == .members ? UInt8(ascii: "}") : UInt8(ascii: "]") }
    }

    /// The most bytes of a record: none of an honest peer comes near it, and memory is bounded by it.
    static let limit = 1 << 20

    private let input: ByteInput
    private let shape: Shape
    private let parent: StaticString?
    private var stage = Stage.start
    private var sawParent = false
    /// What of the window is the last record.
    private var taken = 0
    private var line = 1
    /// Where the line begins.
    private var lineStart: Int64

    private enum Stage {
        case start
        /// In the object that has the parent for a member; the flag says whether a comma is due.
        case root(isFirst: Bool)
        case records(isFirst: Bool)
        case end
        case done
    }

    /// - Parameter parent: the member of the root that holds the records; nil when the root itself does.
    init(_ input: ByteInput, _ shape: Shape, of parent: StaticString? = nil) {
        self.input = input
        self.shape = shape
        self.parent = parent
        lineStart = input.offset
    }

    /// The next record as `parse` makes it from its text, or what is wrong with it; nil at the end.
    ///
    /// - Parameter parse: is given the text of a record, which is valid UTF-8 and valid until it returns.
    mutating func next(
        _ parse: (UnsafeBufferPointer<UInt8>, Place) throws(RejectionReason) -> ImportItem
    ) throws(ExchangeError) -> ImportItem? {
        consume(taken)
        taken = 0
        while true {
            let first = try peek()
            switch stage {
            case .done: return nil
            case .start:
                guard first == (parent == nil ? shape.opening : UInt8(ascii: "{")) else { return fault(first) }
                consume(1)
                stage = parent == nil ? .records(isFirst: true) : .root(isFirst: true)
            case .root(let isFirst):
                if first == UInt8(ascii: "}") {
                    consume(1)
                    stage = .end
                    guard sawParent else { return fault(.missing("\(parent ?? "")")) }
                    continue
                }
                guard try passComma(first, isFirst: isFirst) else { return fault(first) }
                if let item = try enterMember() { return item }
            case .records(let isFirst):
                if first == shape.closing {
                    consume(1)
                    stage = parent == nil ? .end : .root(isFirst: false)
                    continue
                }
                guard try passComma(first, isFirst: isFirst) else { return fault(first) }
                stage = .records(isFirst: false)
                return try record(parse)
            case .end:
                guard first == nil else { return fault(.behindEnd) }
                stage = .done
            }
        }
    }

    /// A line where the document has lines.
    private var place: Place { line > 1 ? .line(line) : .offset(input.offset) }

    // MARK: Parts

    private mutating func record(
        _ parse: (UnsafeBufferPointer<UInt8>, Place) throws(RejectionReason) -> ImportItem
    ) throws(ExchangeError) -> ImportItem {
        let place = place
        switch try scan() {
        case .cutOff: return fault(.json(.cutOff, offset: 0), at: place)
        case .tooLong: return .rejected(Rejection(place: place, reason: .tooLong(limit: Self.limit)))
        case .text(let count):
            taken = count
            let text = input.window.part(0..<count)
            do throws(RejectionReason) {
                guard text.isUTF8 else { throw .notUTF8 }
                return try parse(text, place)
            } catch .json(let problem, let offset) {
                let (place, column) = position(offset)
                return .rejected(Rejection(place: place, reason: .json(problem, offset: column), text: text))
            } catch .notUTF8 {
                return .rejected(Rejection(place: place, reason: .notUTF8))
            } catch {
                return .rejected(Rejection(place: place, reason: error, text: text))
            }
        }
    }

    /// Goes into the parent, or past another member of the root.
    private mutating func enterMember() throws(ExchangeError) -> ImportItem? {
        let place = place
        guard let parent, try isNamed(parent) else { return try passMember() }
        sawParent = true
        consume(parent.utf8CodeUnitCount + 2)
        guard case let colon = try peek(), colon == UInt8(ascii: ":") else { return fault(try peek()) }
        consume(1)
        switch try peek() {
        case shape.opening:
            consume(1)
            stage = .records(isFirst: true)
            return nil
        // What Go writes for an empty list.
        case UInt8(ascii: "n"): return try passMember()
        default:
            return fault(.wrongType("\(parent)", expected: shape == .members ? "an object" : "a list"), at: place)
        }
    }

    private mutating func passMember() throws(ExchangeError) -> ImportItem? {
        let place = place
        switch try scan() {
        case .cutOff: return fault(.json(.cutOff, offset: 0), at: place)
        case .tooLong: break
        case .text(let count): consume(count)
        }
        stage = .root(isFirst: false)
        return nil
    }

    /// Whether the window begins with this name in quotes.
    private func isNamed(_ name: StaticString) throws(ExchangeError) -> Bool {
        try input.fill(atLeast: name.utf8CodeUnitCount + 2)
        let window = input.window
        let end = name.utf8CodeUnitCount + 1
        return window.count > end && window[0] == UInt8(ascii: "\"") && window.part(1..<end).equals(name)
            && window[end] == UInt8(ascii: "\"")
    }

    private enum Scan {
        /// So many bytes, all in the window.
        case text(Int)
        /// Over the limit, and passed over.
        case tooLong
        case cutOff
    }

    /// Runs to the comma or closing bracket behind the value that comes next.
    private mutating func scan() throws(ExchangeError) -> Scan {
        var index = 0
        var depth = 0
        var isString = false
        var isEscaped = false
        var isTooLong = false
        while true {
            let window = input.window
            while index < window.count {
                let byte = window[index]
                if isString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\"") {
                        isString = false
                    } else {
                        isEscaped = byte == UInt8(ascii: "\\")
                    }
                } else {
                    switch byte {
                    case UInt8(ascii: "\""): isString = true
                    case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
                    case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
                        if depth == 0 { return end(index, isTooLong) }
                        if byte != UInt8(ascii: ",") { depth &-= 1 }
                    default: break
                    }
                }
                index &+= 1
            }
            if isTooLong || index > Self.limit {
                isTooLong = true
                consume(index)
                index = 0
            }
            if try !input.fill() { return .cutOff }
        }
    }

    private mutating func end(_ index: Int, _ isTooLong: Bool) -> Scan {
        guard isTooLong || index > Self.limit else { return .text(index) }
        consume(index)
        return .tooLong
    }

    /// The first byte that is no blank, which the window then begins with; nil at the end of the input.
    private mutating func peek() throws(ExchangeError) -> UInt8? {
        while true {
            let window = input.window
            let blanks = window.prefix { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }.count
            consume(blanks)
            if blanks < window.count { return input.window.first }
            if try !input.fill() { return nil }
        }
    }

    /// Takes the comma that is due before all records but the first.
    private mutating func passComma(_ first: UInt8?, isFirst: Bool) throws(ExchangeError) -> Bool {
        guard !isFirst else { return first != nil }
        guard first == UInt8(ascii: ",") else { return false }
        consume(1)
        return try peek() != nil
    }

    private mutating func consume(_ count: Int) {
        let window = input.window
        var start = 0
        while let newline = window.part(0..<count).offset(of: UInt8(ascii: "\n"), from: start) {
            line += 1
            lineStart = input.offset + Int64(newline) + 1
            start = newline + 1
        }
        input.consume(count)
    }

    // MARK: Faults

    /// Where a byte of the last record stands: in a document of one line, its record and the byte of it.
    private func position(_ offset: Int) -> (Place, column: Int) {
        var (line, start) = (line, lineStart)
        for (index, byte) in input.window.part(0..<offset).enumerated() where byte == UInt8(ascii: "\n") {
            line += 1
            start = input.offset + Int64(index) + 1
        }
        guard line > 1 else { return (.offset(input.offset), offset) }
        return (.line(line), Int(input.offset - start) + offset)
    }

    private mutating func fault(_ byte: UInt8?) -> ImportItem {
        fault(.json(byte.map(JSONProblem.unexpected) ?? .cutOff, offset: position(0).column))
    }

    private mutating func fault(_ reason: RejectionReason, at place: Place? = nil) -> ImportItem {
        stage = .done
        return .fault(ImportFault(place: place ?? self.place, reason: reason))
    }
}
