import Kademlia

/// Text of addresses: read as inet_pton does (no leading zeros, no zone), written by RFC 5952.
extension IPAddress: CustomStringConvertible {
    /// An address from dotted decimal or RFC 4291 text; nil for anything else.
    public init?(text: some StringProtocol) {
        guard let address = withUTF8(of: text, { IPAddress(utf8: $0) }) else { return nil }
        self = address
    }

    /// An address from the ASCII bytes of its text; nil for anything else.
    public init?(utf8 text: UnsafeBufferPointer<UInt8>) {
        if text.contains(UInt8(ascii: ":")) {
            guard let (high, low) = IPv6Text.parse(text) else { return nil }
            self = .v6(high: high, low: low)
        } else {
            guard let address = IPv4Text.parse(text) else { return nil }
            self = .v4(address)
        }
    }

    /// Dotted decimal, or the canonical text of RFC 5952.
    public var description: String {
        var text: [UInt8] = []
        appendText(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the canonical text as ASCII.
    public func appendText(to output: inout [UInt8]) {
        switch self {
        case .v4(let address): IPv4Text.append(address, to: &output)
        case .v6(let high, let low): IPv6Text.append(high, low, to: &output)
        }
    }
}

private enum IPv4Text {
    static func parse(_ text: UnsafeBufferPointer<UInt8>) -> UInt32? {
        guard text.count <= 15 else { return nil }
        var address: UInt32 = 0
        var dots = 0
        var digits = 0
        var value: UInt32 = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                address = address << 8 | value
                dots += 1
                digits = 0
                value = 0
            } else {
                // A leading zero would mean octal to some readers.
                guard (0x30...0x39).contains(byte), digits == 0 || value > 0 else { return nil }
                value = value * 10 + UInt32(byte - 0x30)
                guard value <= 255 else { return nil }
                digits += 1
            }
        }
        return dots == 3 && digits > 0 ? address << 8 | value : nil
    }

    static func append(_ address: UInt32, to output: inout [UInt8]) {
        for shift in [24, 16, 8, 0] as [UInt32] {
            DecimalText.append(UInt64(address >> shift & 0xff), to: &output)
            if shift > 0 { output.append(UInt8(ascii: ".")) }
        }
    }
}

private enum IPv6Text {
    /// Collects groups of 16 bits; `gap` is where `::` stood.
    private struct Groups {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0
        var gap: Int?

        mutating func append(_ group: UInt32) -> Bool {
            guard count < 8 else { return false }
            high = high << 16 | low >> 48
            low = low << 16 | UInt64(group)
            count += 1
            return true
        }

        /// The address with the groups behind the gap moved to the end.
        func address() -> (UInt64, UInt64)? {
            guard let gap else { return count == 8 ? (high, low) : nil }
            guard count < 8 else { return nil }
            let value = UInt128(high) << 64 | UInt128(low)
            let tailBits = UInt128(16 * (count - gap))
            let tail = value & (1 << tailBits - 1)
            let moved = (value >> tailBits) << UInt128(16 * (8 - gap)) | tail
            return (UInt64(truncatingIfNeeded: moved >> 64), UInt64(truncatingIfNeeded: moved))
        }
    }

    static func parse(_ text: UnsafeBufferPointer<UInt8>) -> (UInt64, UInt64)? {
        guard (2...45).contains(text.count) else { return nil }
        let colon = UInt8(ascii: ":")
        var groups = Groups()
        var offset = 0
        if text[0] == colon {
            guard text[1] == colon else { return nil }
            groups.gap = 0
            offset = 2
        }
        while offset < text.count {
            let start = offset
            var group: UInt32 = 0
            while offset < text.count, let digit = hexDigit(text[offset]) {
                guard offset - start < 4 else { return nil }
                group = group << 4 | digit
                offset += 1
            }
            if offset < text.count, text[offset] == UInt8(ascii: ".") {
                guard let tail = IPv4Text.parse(text.part(start..<text.count)) else { return nil }
                guard groups.append(tail >> 16), groups.append(tail & 0xffff) else { return nil }
                return groups.address()
            }
            guard offset > start, groups.append(group) else { return nil }
            guard offset < text.count else { break }
            guard text[offset] == colon, offset + 1 < text.count else { return nil }
            offset += 1
            if text[offset] == colon {
                guard groups.gap == nil else { return nil }
                groups.gap = groups.count
                offset += 1
            }
        }
        return groups.address()
    }

    static func append(_ high: UInt64, _ low: UInt64, to output: inout [UInt8]) {
        // RFC 5952 section 5: a mapped IPv4 address, whose prefix says so, ends in dotted decimal.
        if high == 0, low >> 32 == 0xffff {
            output.append(contentsOf: "::ffff:".utf8)
            return IPv4Text.append(UInt32(truncatingIfNeeded: low), to: &output)
        }
        func group(_ index: Int) -> UInt64 {
            (index < 4 ? high : low) >> UInt64(48 - 16 * (index & 3)) & 0xffff
        }
        let gap = longestZeroRun(group)
        var index = 0
        while index < 8 {
            if index == gap.lowerBound, gap.count > 1 {
                output.append(contentsOf: "::".utf8)
                index = gap.upperBound
                continue
            }
            if index > 0, index != gap.upperBound || gap.count < 2 { output.append(UInt8(ascii: ":")) }
            let value = group(index)
            var shift: UInt64 = 12
            while shift > 0, value >> shift == 0 { shift -= 4 }
            while true {
                output.append(Hex.digit(value >> shift & 15))
                guard shift > 0 else { break }
                shift -= 4
            }
            index += 1
        }
    }

    /// The longest run of zero groups, the first of equals; empty when there is none.
    private static func longestZeroRun(_ group: (Int) -> UInt64) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            if group(index) != 0 {
                start = index + 1
            } else if index + 1 - start > longest.count {
                longest = start..<(index + 1)
            }
        }
        return longest
    }

    private static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x41 + 10)
        case 0x61...0x66: UInt32(byte - 0x61 + 10)
        default: nil
        }
    }
}

extension Hex {
    /// The lower-case digit of the low four bits.
    fileprivate static func digit(_ value: UInt64) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: value & 15)
        return nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
    }
}
