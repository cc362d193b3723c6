import KadStore
import Kademlia
import Multiformats

/// The bytes that a value or providers are kept under, as a person names them.
struct ContentKey: Hashable, Sendable {
    /// Bytes of a key that all peers take: py-libp2p refuses searches for others, unless they are multihashes.
    static let byteCounts = 2...50
    /// Bytes of a multihash that peers take: go-libp2p's limit for providers.
    static let multihashLimit = 80

    let bytes: [UInt8]
    let text: String

    /// The key of a value: `/namespace/…`. After `/pk/` and `/ipns/` comes a peer id, in text as people write it; on the
    /// wire it is binary. `0x` and hexadecimal digits are any bytes.
    static func value(_ text: String) throws -> ContentKey {
        if let bytes = try hexadecimal(text) { return try ContentKey(bytes, text) }
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else {
            throw CommandError.usage("'\(text)' is no key of a value: it is written /namespace/name.")
        }
        if parts[1] == "pk" || parts[1] == "ipns", let id = try? PeerIDEncoding.libp2p.decode(parts[2]) {
            return try ContentKey(Array("/\(parts[1])/".utf8) + Array(id.bytes), text)
        }
        return try ContentKey(Array(text.utf8), text)
    }

    /// The key of what is provided: a CID, of which its multihash; `0x` and hexadecimal digits; or any text as it is.
    static func content(_ text: String) throws -> ContentKey {
        if let bytes = try hexadecimal(text) { return try ContentKey(bytes, text) }
        return try ContentKey(ContentID.multihash(of: text) ?? Array(text.utf8), text)
    }

    private init(_ bytes: [UInt8], _ text: String) throws {
        let isMultihash = bytes.count <= Self.multihashLimit && ContentID.isMultihash(bytes[...])
        guard isMultihash || Self.byteCounts.contains(bytes.count) else {
            let counts = "\(Self.byteCounts.lowerBound) to \(Self.byteCounts.upperBound)"
            throw CommandError.usage("peers take keys of \(counts) bytes, or multihashes; this one has \(bytes.count).")
        }
        self.bytes = bytes
        self.text = text
    }

    private static func hexadecimal(_ text: String) throws -> [UInt8]? {
        guard text.hasPrefix("0x") else { return nil }
        guard let bytes = Hex.decode(text.dropFirst(2)) else {
            throw CommandError.notUnderstood("'\(text)' is not an even number of hexadecimal digits after 0x.")
        }
        return bytes
    }

    var json: JSON { .object(["text": .string(text), "hex": .string(Hex.encode(bytes))]) }
    static let jsonShape = "contentKey = {text: text, hex: text}"
}
