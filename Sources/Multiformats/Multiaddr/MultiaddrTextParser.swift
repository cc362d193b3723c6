import Kademlia

/// Reads the text of an address into its binary form.
struct MultiaddrTextParser {
    private let text: UnsafeBufferPointer<UInt8>
    private var offset = 0
    private var component = 0

    /// Appends the binary form of `text`. On failure nothing is appended.
    static func parse(
        _ text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(MultiaddrError) {
        let start = output.count
        var parser = MultiaddrTextParser(text: text)
        do throws(MultiaddrError) {
            try parser.parse(into: &output)
        } catch {
            output.removeSubrange(start...)
            throw error
        }
    }

    private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    private mutating func parse(into output: inout [UInt8]) throws(MultiaddrError) {
        guard text.count <= Multiaddr.textLimit else {
            throw error(.tooLong(count: text.count, maximum: Multiaddr.textLimit))
        }
        guard let first = text.first else { throw error(.empty) }
        guard first == Self.slash else { throw error(.missingSlash) }
        var end = text.count
        while end > 0, text[end - 1] == Self.slash { end -= 1 }
        guard end > 0 else { throw error(.empty) }

        let start = output.count
        while offset < end {
            guard component < Multiaddr.componentLimit else {
                throw error(.tooManyComponents(maximum: Multiaddr.componentLimit))
            }
            let range = segment(end: end)
            guard let name = MultiaddrProtocol(utf8: text.part(range)) else {
                throw error(.unknownName(text.part(range).quoted()), at: range.lowerBound)
            }
            Varint.append(name.rawValue, to: &output)
            try readValue(of: name, end: end, into: &output)
            component += 1
            guard output.count - start <= Multiaddr.byteLimit else {
                throw error(.tooLong(count: output.count - start, maximum: Multiaddr.byteLimit))
            }
        }
    }

    private static let slash = UInt8(ascii: "/")

    /// The text behind the slash at `offset`, up to the next one; moves `offset` there.
    private mutating func segment(end: Int) -> Range<Int> {
        let start = offset + 1
        offset = start
        while offset < end, text[offset] != Self.slash { offset += 1 }
        return start..<offset
    }

    private mutating func readValue(
        of name: MultiaddrProtocol, end: Int, into output: inout [UInt8]
    ) throws(MultiaddrError) {
        let kind = name.value
        guard kind != .none else { return }
        guard offset < end else { throw error(.missingValue(name)) }
        let range: Range<Int>
        if kind == .path {
            range = offset..<end
            offset = end
        } else {
            range = segment(end: end)
        }
        // Most lengths take one byte, which is kept free for them.
        if kind.byteCount == nil { output.append(0) }
        let start = output.count
        if let problem = kind.append(text.part(range), of: name, to: &output)
            ?? output.withUnsafeBufferPointer({ kind.problem(with: $0.part(start..<$0.count), of: name) })
        {
            throw error(problem, at: range.lowerBound)
        }
        guard kind.byteCount == nil else { return }
        let length = output.count - start
        if length < 0x80 {
            output[start - 1] = UInt8(truncatingIfNeeded: length)
        } else {
            var varint: [UInt8] = []
            Varint.append(UInt64(length), to: &varint)
            output.replaceSubrange((start - 1)..<start, with: varint)
        }
    }

    private func error(_ reason: MultiaddrError.Reason, at place: Int? = nil) -> MultiaddrError {
        MultiaddrError(reason: reason, offset: place ?? offset, component: component)
    }
}

extension MultiaddrValue {
    /// Appends the binary form of a value's text.
    ///
    /// - Returns: what is wrong with the text, or nil.
    fileprivate func append(
        _ text: UnsafeBufferPointer<UInt8>, of name: MultiaddrProtocol, to output: inout [UInt8]
    ) -> MultiaddrError.Reason? {
        switch self {
        case .none:
            return nil
        case .ip4, .ip6:
            switch (self, IPAddress(utf8: text)) {
            case (.ip4, .v4(let address)): Self.append(UInt64(address), byteCount: 4, to: &output)
            case (.ip6, .v6(let high, let low)):
                Self.append(high, byteCount: 8, to: &output)
                Self.append(low, byteCount: 8, to: &output)
            default: return .notAnIPAddress(name)
            }
            return nil
        case .prefixLength:
            return Self.appendNumber(text, maximum: 255, byteCount: 1, of: name, to: &output)
        case .port:
            return Self.appendNumber(text, maximum: 65535, byteCount: 2, of: name, to: &output)
        case .number:
            return Self.appendNumber(text, maximum: .max, byteCount: 8, of: name, to: &output)
        case .name, .path:
            output.append(contentsOf: text)
            return nil
        case .escapedPath:
            return PercentText.decode(text, appendingTo: &output) ? nil : .badText(name)
        case .peerID:
            do throws(PeerIDError) {
                try PeerIDEncoding.libp2p.decode(utf8: text, appendingTo: &output)
                return nil
            } catch {
                return .peerID(error)
            }
        case .multihash:
            guard let prefix = text.first, let base = Multibase.base(prefix: prefix) else {
                return .unknownMultibase(name)
            }
            return Self.appendDigits(text.part(1..<text.count), as: base, of: name, to: &output)
        case .onion(let hostBytes):
            return Self.appendOnion(text, hostBytes: hostBytes, of: name, to: &output)
        case .garlic64:
            var end = text.count
            while end > 0, text.count - end < 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
            return Self.appendDigits(text.part(0..<end), as: Base64I2P.self, of: name, to: &output)
        case .garlic32:
            return Self.appendDigits(text, as: Base32.self, of: name, to: &output)
        }
    }

    private static func append(_ value: UInt64, byteCount: Int, to output: inout [UInt8]) {
        for index in 0..<byteCount {
            output.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * (byteCount - 1 - index))))
        }
    }

    private static func appendNumber(
        _ text: UnsafeBufferPointer<UInt8>, maximum: UInt64, byteCount: Int, of name: MultiaddrProtocol,
        to output: inout [UInt8]
    ) -> MultiaddrError.Reason? {
        guard let value = DecimalText.parse(text, maximum: maximum) else { return .notANumber(name, maximum: maximum) }
        append(value, byteCount: byteCount, to: &output)
        return nil
    }

    private static func appendDigits(
        _ text: UnsafeBufferPointer<UInt8>, as base: any TextBase.Type, of name: MultiaddrProtocol,
        to output: inout [UInt8]
    ) -> MultiaddrError.Reason? {
        do throws(BaseError) {
            try base.decode(utf8: text, appendingTo: &output)
            return nil
        } catch {
            return .digits(name, error)
        }
    }

    /// `<host in base32>:<port>`
    private static func appendOnion(
        _ text: UnsafeBufferPointer<UInt8>, hostBytes: Int, of name: MultiaddrProtocol, to output: inout [UInt8]
    ) -> MultiaddrError.Reason? {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return .missingPort(name) }
        let start = output.count
        if let problem = appendDigits(text.part(0..<colon), as: Base32.self, of: name, to: &output) { return problem }
        guard output.count - start == hostBytes else { return .wrongLength(name, count: output.count - start) }
        return appendNumber(text.part((colon + 1)..<text.count), maximum: 65535, byteCount: 2, of: name, to: &output)
    }
}
