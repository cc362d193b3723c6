import Kademlia
import Multiformats

/// What seeds are made of: the wire's smallest parts, written down without the code under test where that is as short.
enum FuzzSeeds {
    static func varint(_ number: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        Varint.append(UInt64(number), to: &bytes)
        return bytes
    }

    /// A field of a protobuf message: a number.
    static func field(_ number: Int, _ value: Int) -> [UInt8] { varint(number << 3) + varint(value) }

    /// A field of a protobuf message: bytes, text or a message.
    static func field(_ number: Int, _ value: [UInt8]) -> [UInt8] {
        varint(number << 3 | 2) + varint(value.count) + value
    }

    static func field(_ number: Int, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    /// Bytes behind their length.
    static func framed(_ bytes: [UInt8]) -> [UInt8] { varint(bytes.count) + bytes }

    /// As a target takes it that reads a length, less one, before each piece.
    static func pieces(_ bytes: [UInt8], of size: Int) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: size).flatMap { start in
            let piece = bytes[start..<min(start + size, bytes.count)]
            return [UInt8(piece.count - 1)] + piece
        }
    }

    /// Scripts of chance, the same each time: none, all of one decision, and 48 more of 16 to 2,048 bytes.
    static func scripts(_ seed: UInt64) -> [[UInt8]] {
        var generator = SeededGenerator(seed: seed)
        var scripts: [[UInt8]] = [[], [0], [1], [UInt8](repeating: 255, count: 16)]
        for index in 0..<48 {
            // Of few different bytes, the same decisions follow each other.
            let alphabet = (0..<(index % 3 == 0 ? 256 : 12)).map { _ in
                UInt8.random(in: .min ... .max, using: &generator)
            }
            scripts.append(
                (0..<(16 << (index % 8))).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] })
        }
        return scripts
    }

    static let addresses = [
        "/ip4/127.0.0.1/tcp/4001", "/ip6/::1/udp/4001/quic-v1", "/dns4/example.com/tcp/443/tls/sni/a/ws/http-path/%2Fa",
        "/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp/p2p-circuit",
    ]

    static func addressBytes() throws -> [[UInt8]] { try addresses.map { try Array(Multiaddr($0).bytes) } }
}
