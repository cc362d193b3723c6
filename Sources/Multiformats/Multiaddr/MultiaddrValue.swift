/// What stands behind a protocol's code: how many bytes, and which bytes are valid.
enum MultiaddrValue: Hashable {
    case none
    case ip4
    case ip6
    /// A port, two bytes big-endian.
    case port
    /// The prefix length of a network, one byte.
    case prefixLength
    /// Eight bytes big-endian.
    case number
    /// A domain name or zone: UTF-8 without `/`, white space and control characters.
    case name
    /// The path of a socket, which takes the rest of the address, with the slash at its front.
    case path
    /// Any bytes, percent-encoded in text.
    case escapedPath
    case peerID
    case multihash
    /// A Tor host and a port.
    case onion(hostBytes: Int)
    case garlic64
    case garlic32

    /// The number of bytes; nil for a value behind a varint of its length.
    var byteCount: Int? {
        switch self {
        case .none: 0
        case .prefixLength: 1
        case .port: 2
        case .ip4: 4
        case .number: 8
        case .ip6: 16
        case .onion(let hostBytes): hostBytes + 2
        case .name, .path, .escapedPath, .peerID, .multihash, .garlic64, .garlic32: nil
        }
    }

    /// Checks a value's bytes, whose number is already right where it is fixed.
    ///
    /// - Returns: what is wrong, or nil.
    func problem(with bytes: UnsafeBufferPointer<UInt8>, of name: MultiaddrProtocol) -> MultiaddrError.Reason? {
        switch self {
        case .none, .ip4, .ip6, .port, .prefixLength, .number:
            return nil
        case .name:
            return Self.isText(bytes, allowing: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "/") })
                ? nil : .badText(name)
        case .path:
            // Text drops slashes at the end, so a path that ended in one could not be written back.
            let isPath = bytes.count > 1 && bytes.first == UInt8(ascii: "/") && bytes.last != UInt8(ascii: "/")
            return isPath && Self.isText(bytes, allowing: { _ in true }) ? nil : .badText(name)
        case .escapedPath:
            return bytes.isEmpty ? .badText(name) : nil
        case .peerID:
            do throws(PeerIDError) {
                try PeerIDEncoding.check(multihash: bytes)
                return nil
            } catch {
                return .peerID(error)
            }
        case .multihash:
            do throws(MultihashError) {
                _ = try Multihash(bytes)
                return nil
            } catch {
                return .multihash(name, error)
            }
        case .onion:
            return bytes.suffix(2).allSatisfy { $0 == 0 } ? .missingPort(name) : nil
        case .garlic64:
            // An I2P destination: two keys and a certificate.
            return bytes.count >= 386 ? nil : .wrongLength(name, count: bytes.count)
        case .garlic32:
            // A SHA-256, or 35 bytes and more for an encrypted lease set.
            return bytes.count == 32 || bytes.count >= 35 ? nil : .wrongLength(name, count: bytes.count)
        }
    }

    /// Whether bytes are UTF-8 without control characters: addresses are shown on terminals and kept a line each.
    private static func isText(_ bytes: UnsafeBufferPointer<UInt8>, allowing isAllowed: (UInt8) -> Bool) -> Bool {
        guard !bytes.isEmpty else { return false }
        var isASCII = true
        for byte in bytes {
            guard byte >= 0x20, byte != 0x7f, isAllowed(byte) else { return false }
            if byte >= 0x80 { isASCII = false }
        }
        if isASCII { return true }
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate: scalar == " "
            default: true
            }
        }
    }
}
