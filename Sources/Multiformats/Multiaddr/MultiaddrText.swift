import Kademlia

extension Multiaddr: CustomStringConvertible {
    /// The canonical text: RFC 5952 addresses, base58btc peer ids, base64url certificate hashes.
    public var description: String {
        var text: [UInt8] = []
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the canonical text as UTF-8.
    public func append(to output: inout [UInt8]) {
        for component in components { component.append(to: &output) }
    }
}

extension Multiaddr.Component: CustomStringConvertible {
    /// `/<name>`, or `/<name>/<value>`.
    public var description: String {
        var text: [UInt8] = []
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    fileprivate func append(to output: inout [UInt8]) {
        output.append(UInt8(ascii: "/"))
        output.append(contentsOf: name.name.utf8)
        switch name.value {
        // A path brings its own slash.
        case .none, .path: break
        default: output.append(UInt8(ascii: "/"))
        }
        switch name.value {
        case .none: break
        case .ip4: IPAddress.v4(UInt32(truncatingIfNeeded: number(value))).appendText(to: &output)
        case .ip6: IPAddress.v6(high: number(value.prefix(8)), low: number(value.suffix(8))).appendText(to: &output)
        case .port, .prefixLength, .number: DecimalText.append(number(value), to: &output)
        case .name, .path: output.append(contentsOf: value)
        case .escapedPath: PercentText.append(value, to: &output)
        // A multihash of a peer id is at most 44 bytes.
        case .peerID: Base58.append(value, to: &output)
        case .multihash:
            output.append(UInt8(ascii: "u"))
            Base64URL.append(value, to: &output)
        case .onion:
            Base32.append(value.dropLast(2), to: &output)
            output.append(UInt8(ascii: ":"))
            DecimalText.append(number(value.suffix(2)), to: &output)
        case .garlic64:
            let start = output.count
            Base64I2P.append(value, to: &output)
            while !(output.count - start).isMultiple(of: 4) { output.append(UInt8(ascii: "=")) }
        case .garlic32: Base32.append(value, to: &output)
        }
    }

    private func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
