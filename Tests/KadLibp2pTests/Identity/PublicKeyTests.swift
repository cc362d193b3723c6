import Crypto
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Public keys")
struct PublicKeyTests {
    @Test("a key of each algorithm has the peer id that other implementations give it", arguments: KeyVector.all)
    func peerIDs(_ vector: KeyVector) throws {
        let key = try PublicKey(encoded: vector.encoded)
        #expect(key.algorithm == vector.algorithm && key.encoded == vector.encoded)
        #expect(PeerIDEncoding.libp2p.encode(key.peerID) == vector.peerID)
        #expect(PeerIDEncoding.libp2p.admits(key.peerID))
    }

    @Test("the keys of the interoperability tests have their peer ids")
    func interop() throws {
        let nodes = try InteropIDs.load().ed25519
        #expect(nodes.count >= 6)
        for node in nodes {
            let keys = try KeyPair(seed: Array(SHA256.hash(data: Array("kadstore-interop/\(node.number)".utf8))))
            #expect(PeerIDEncoding.libp2p.encode(keys.peerID) == node.peerID)
            #expect(Hex.encode(keys.peerID.bytes) == node.bytes)
        }
    }

    @Test("signatures of other implementations are verified, and no others", arguments: KeyVector.checkable)
    func signatures(_ vector: KeyVector) throws {
        let key = try PublicKey(encoded: vector.encoded)
        #expect(try key.isSignature(vector.signature, of: KeyVector.message))
        #expect(try !key.isSignature(vector.signature, of: KeyVector.message + [0]))
        for index in vector.signature.indices {
            var changed = vector.signature
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(try !key.isSignature(changed, of: KeyVector.message), "byte \(index)")
        }
        for count in [0, 1, 63, 65, 255, 257, 5000] where count != vector.signature.count {
            let other = (vector.signature + Array(repeating: 0, count: 5000)).prefix(count)
            #expect(try !key.isSignature(Array(other), of: KeyVector.message), "\(count) bytes")
        }
    }

    @Test("nothing is said of a secp256k1 signature")
    func unsupported() throws {
        let key = try PublicKey(encoded: KeyVector.secp256k1.encoded)
        #expect(throws: KeyError.unsupported(.secp256k1)) {
            try key.isSignature(KeyVector.secp256k1.signature, of: KeyVector.message)
        }
    }

    @Test("an ECDSA key of another curve is told from a lie")
    func otherCurves() {
        let der = Array(P384.Signing.PrivateKey().publicKey.derRepresentation)
        #expect(throws: KeyError.unsupported(.ecdsa)) {
            try PublicKey(encoded: [0x08, 0x03, 0x12, UInt8(der.count)] + der)
        }
    }

    @Test("of the encodings of a key only one is read", arguments: KeyVector.all)
    func canonical(_ vector: KeyVector) throws {
        let body = Array(vector.encoded.dropFirst(2))
        let type = Array(vector.encoded.prefix(2))
        for other in [
            body + type, type + body + [0x18, 0x01], type + type + body, type + body + body,
            [0x88, 0x00] + type.suffix(1) + body, [0x08, 0x80 | type[1], 0x00] + body, type, body, [],
        ] {
            #expect(throws: KeyError.malformed) { try PublicKey(encoded: other) }
        }
    }

    @Test("no changed or shortened key traps; what is still a key has another peer id", arguments: KeyVector.all)
    func flips(_ vector: KeyVector) throws {
        let key = try PublicKey(encoded: vector.encoded)
        for index in vector.encoded.indices {
            for bit in 0..<8 {
                var changed = vector.encoded
                changed[index] ^= 1 << UInt8(bit)
                guard let other = try? PublicKey(encoded: changed) else { continue }
                #expect(other.peerID != key.peerID && other != key)
                _ = try? other.isSignature(vector.signature, of: KeyVector.message)
            }
            #expect(throws: KeyError.self) { try PublicKey(encoded: Array(vector.encoded.prefix(index))) }
        }
    }

    @Test("arbitrary bytes, also as each algorithm's key, never trap", arguments: Seeds.first(30))
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let count = Int.random(in: 0...120, using: &random)
            let data = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            _ = try? PublicKey(encoded: data)
            for type in UInt8(0)...4 { _ = try? PublicKey(encoded: [8, type, 0x12, UInt8(count)] + data) }
        }
    }

    @Test("RSA keys of 2,048 to 8,192 bits are read")
    func rsaSizes() throws {
        for bits in [1024, 2040] {
            #expect(throws: KeyError.rsaSize(bits: bits)) { try PublicKey(encoded: RSAEncoding.key(bits: bits)) }
        }
        for bits in [2048, 4096, 8192] {
            #expect(try PublicKey(encoded: RSAEncoding.key(bits: bits)).algorithm == .rsa)
        }
        // Some libraries refuse these before their size is asked for.
        for bits in [8200, 12_000] {
            #expect(throws: KeyError.self) { try PublicKey(encoded: RSAEncoding.key(bits: bits)) }
        }
    }

    @Test("a key over the limit is refused before it is looked at")
    func limit() {
        let encoded = [UInt8](repeating: 8, count: PublicKey.byteLimit + 1)
        #expect(throws: KeyError.tooLong(count: 2049, limit: 2048)) { try PublicKey(encoded: encoded) }
    }
}

/// RSA keys of any size that nobody has the other half of.
enum RSAEncoding {
    static func key(bits: Int) -> [UInt8] {
        let modulus = element(0x02, [0x00, 0xff] + Array(repeating: 0xff, count: bits / 8 - 1))
        let key = element(0x30, modulus + element(0x02, [1, 0, 1]))
        let algorithm = element(0x30, [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0x00])
        let info = element(0x30, algorithm + element(0x03, [0] + key))
        var encoded: [UInt8] = [0x08, 0x00, 0x12]
        Varint.append(UInt64(info.count), to: &encoded)
        return encoded + info
    }

    /// An element of DER.
    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        switch content.count {
        case ..<128: [tag, UInt8(content.count)] + content
        case ..<256: [tag, 0x81, UInt8(content.count)] + content
        default: [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 255)] + content
        }
    }
}
