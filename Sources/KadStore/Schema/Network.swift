import Crypto
import Kademlia
import Multiformats

/// What one file holds: whose peers, and how their keys come from their ids.
public struct Network: Hashable, Sendable {
    /// How a peer's key comes from its id.
    public enum Derivation: String, Hashable, Sendable, CaseIterable {
        /// SHA-256 of the id's bytes (libp2p).
        case sha256
        /// The id is the key (mainline, OpenDHT, devp2p's node ids).
        case identity
    }

    /// The name in the file: importing and exporting across names is refused.
    public let name: String
    public let derivation: Derivation
    /// The width of keys: 256, 160 or 128 bits.
    public let keyBits: Int
    /// How ids are written for people and in text formats.
    public let idEncoding: PeerIDEncoding

    /// A network of one's own.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` for an empty or oversized name, a width other than 128, 160 and 256,
    ///   or SHA-256 at another width than its own.
    public init(name: String, derivation: Derivation, keyBits: Int, idEncoding: PeerIDEncoding) throws(StoreError) {
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw .invalidArgument("a network's name is 1 to 64 visible ASCII characters, not '\(name)'")
        }
        guard [128, 160, 256].contains(keyBits) else {
            throw .invalidArgument("keys are 128, 160 or 256 bits wide, not \(keyBits)")
        }
        guard derivation == .identity || keyBits == 256 else {
            throw .invalidArgument("SHA-256 gives keys of 256 bits, not \(keyBits)")
        }
        self.init(unchecked: name, derivation, keyBits, idEncoding)
    }

    private init(unchecked name: String, _ derivation: Derivation, _ keyBits: Int, _ idEncoding: PeerIDEncoding) {
        self.name = name
        self.derivation = derivation
        self.keyBits = keyBits
        self.idEncoding = idEncoding
    }

    /// libp2p's Kademlia (IPFS and others): keys are SHA-256 of the peer id.
    public static let libp2p = Network(unchecked: "libp2p", .sha256, 256, .libp2p)
    /// BitTorrent's mainline DHT (BEP 5).
    public static let mainline = Network(unchecked: "mainline", .identity, 160, .hex)
    /// OpenDHT.
    public static let opendht = Network(unchecked: "opendht", .identity, 160, .hex)
    /// Ethereum's discovery protocols; the id is the node id.
    public static let devp2p = Network(unchecked: "devp2p", .identity, 256, .hex)

    /// The networks with names of their own.
    public static let known: [Network] = [.libp2p, .mainline, .opendht, .devp2p]

    /// The width of keys in bytes, which is how they are stored.
    public var keyByteCount: Int { keyBits / 8 }

    /// The key of an id. The one place where ids are hashed.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` where the id is the key and has another width.
    public func key(of id: PeerID) throws(StoreError) -> Key {
        switch derivation {
        case .sha256:
            let digest = SHA256.hash(data: id.bytes)
            guard let key = digest.withUnsafeBytes({ Key(bytes: $0) }) else {
                throw .invalidArgument("no key from a digest of \(SHA256.byteCount) bytes")
            }
            return key
        case .identity:
            guard id.bytes.count == keyByteCount, let key = Key(bytes: id.bytes) else {
                throw .invalidArgument(
                    "an id of network '\(name)' has \(keyByteCount) bytes, this one \(id.bytes.count)")
            }
            return key
        }
    }

    /// The target of a lookup for arbitrary bytes: hashed in every network.
    public func target(hashing bytes: some Sequence<UInt8>) -> Key {
        let digest = Array(SHA256.hash(data: Array(bytes)))
        return Key(bytes: digest.prefix(keyByteCount)) ?? .zero
    }
}

/// Which addresses a store admits.
public enum Scope: String, Hashable, Sendable, CaseIterable {
    /// Addresses that are routable on the public internet; diversity limits count /24 and /48.
    case `public`
    /// Loopback, private, documentation and benchmark ranges too; no diversity limits, each endpoint its own group.
    case `private`

    /// Whether an IP address may be stored.
    public func admits(_ address: IPAddress) -> Bool {
        switch (address.reach, self) {
        case (.global, _): true
        case (.loopback, .private), (.private, .private), (.documentation, .private), (.benchmark, .private): true
        case (.linkLocal, .private): true
        default: false
        }
    }

    /// Whether an address may be stored, and somebody be sent there. Names are left for a dialler to resolve; of a relayed
    /// address it is the relay's that counts.
    public func admits(_ address: Multiaddr) -> Bool {
        guard let ip = address.ipAddress else { return true }
        return admits(ip) && address.port != 0
    }
}
