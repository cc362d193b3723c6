import ArgumentParser
import KadStore
import Kademlia
import Multiformats

/// A point of the key space as a person names it.
struct Target: Sendable {
    enum Kind: String, CaseIterable, ExpressibleByArgument, Sendable {
        case peerID = "peer-id"
        case key
        case text
    }

    let key: Key
    let kind: Kind
    let text: String

    /// Understands `text` as what it looks like: a peer id of the network (or an address that ends in one), a key in
    /// hexadecimal, or else any text, whose SHA-256 is the target.
    ///
    /// - Parameter kind: what it is, where the caller knows.
    /// - Throws: ``CommandError/notUnderstood(_:)`` for what looks like a peer id and is none: it was mistyped, and its
    ///   hash would be an answer to another question.
    init(_ text: String, as kind: Kind? = nil, in network: Network) throws {
        self.text = text
        guard !text.isEmpty else { throw CommandError.usage("the target is empty.") }
        switch kind {
        case .peerID: (self.kind, key) = (.peerID, try network.key(of: Self.peerID(text, in: network)))
        case .key: (self.kind, key) = (.key, try Self.hexKey(text, in: network))
        case .text: (self.kind, key) = (.text, network.target(hashing: text.utf8))
        case nil:
            if text.hasPrefix("0x") {
                (self.kind, key) = (.key, try Self.hexKey(text, in: network))
            } else if let key = Self.wholeKey(text, in: network) {
                (self.kind, self.key) = (.key, key)
            } else if Self.looksLikePeerID(text, in: network) {
                (self.kind, key) = (.peerID, try network.key(of: Self.peerID(text, in: network)))
            } else {
                (self.kind, key) = (.text, network.target(hashing: text.utf8))
            }
        }
    }

    /// How it was understood, for people.
    func explanation(in network: Network, _ terminal: Terminal) -> String {
        let hex = key.hex(byteCount: network.keyByteCount)
        return switch kind {
        case .peerID: "target: the key of peer \(terminal.safe(text)), \(hex)"
        case .key: "target: key \(hex)"
        case .text: "target: SHA-256 of the text \"\(terminal.safe(text))\", \(hex)"
        }
    }

    /// An id of the network, or the one that an address ends in.
    static func peerID(_ text: String, in network: Network) throws -> PeerID {
        if text.hasPrefix("/") {
            do throws(MultiaddrError) {
                if let id = try Multiaddr(text).peerID { return id }
            } catch {
                throw CommandError.notUnderstood("'\(text)' is not an address: \(error).")
            }
            throw CommandError.notUnderstood("the address '\(text)' does not end in a peer id (/p2p/ID).")
        }
        do throws(PeerIDError) {
            return try network.idEncoding.decode(text)
        } catch {
            throw CommandError.notUnderstood(
                "'\(text)' is not a peer id of network \(network.name): \(error). Use --as text to hash it as it is.")
        }
    }

    /// A whole key, or with `0x` also the beginning of one, filled up with zeros.
    private static func hexKey(_ text: String, in network: Network) throws -> Key {
        let isPrefix = text.hasPrefix("0x")
        let digits = isPrefix ? text.dropFirst(2) : text[...]
        let width = network.keyByteCount
        guard let bytes = Hex.decode(digits), let key = Key(bytes: bytes),
            isPrefix ? bytes.count <= width : bytes.count == width
        else {
            throw CommandError.notUnderstood(
                "'\(text)' is not a key of network \(network.name): \(2 * width) hexadecimal digits, or 0x and an even "
                    + "number of fewer.")
        }
        return key
    }

    private static func wholeKey(_ text: String, in network: Network) -> Key? {
        guard text.utf8.count == 2 * network.keyByteCount else { return nil }
        return Key(hex: text)
    }

    private static func looksLikePeerID(_ text: String, in network: Network) -> Bool {
        if text.hasPrefix("/"), text.contains("/p2p/") || text.contains("/ipfs/") { return true }
        guard network.idEncoding == .libp2p else { return false }
        // Ed25519 and secp256k1 keys, RSA keys, CIDs of keys.
        let beginnings = ["12D3KooW", "16Uiu2HA", "Qm", "bafz", "k51q", "k2k4"]
        return text.utf8.count >= 32 && beginnings.contains { text.hasPrefix($0) }
    }
}
