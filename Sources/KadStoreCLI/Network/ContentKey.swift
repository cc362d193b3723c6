import KadStore
import Kademlia
import Multiformats

/// The bytes that a value or providers are kept under, as a person names them.
struct ContentKey: Hashable, Sendable {
    /// Bytes of a key that peers take: go-libp2p's limit is 80 for providers, py-libp2p's 128 for values.
    static let byteLimit = 128

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
        guard (1...Self.byteLimit).contains(bytes.count) else {
            throw CommandError.usage(
                "a key has 1 to \(Self.byteLimit) bytes, this one \(bytes.count): peers take no longer one.")
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
