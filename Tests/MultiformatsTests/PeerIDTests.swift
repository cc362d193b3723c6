import Kademlia
import Multiformats
import Testing

@Suite("Peer ids")
struct PeerIDTests {
    static let ed25519 = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

    @Test(
        "Text and bytes of libp2p ids agree with other implementations",
        arguments: [
            (
                "12D3KooWJ2AYycHCAarHgrHqFRMY3oRKfFgkKpcpARZUivnwWszk",
                "00240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5"
            ),
            (
                "12D3KooWJxythSMAPrPxvij3ntmmK7sHtsZMvTBYLPW7h1QBxqKY",
                "00240801122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b"
            ),
            (
                "12D3KooWAsQn7hFUeot9b7pCZDTrzBfyyuP5ffMctKDBGahPPxSo",
                "0024080112200fa3615d4a3598fa0a2318113b8af5220df1410f5b36a9b3038240a83e2f3624"
            ),
            (
                "12D3KooWFY48qiP3wK3URKJKfcg9w9xt2brCdvpDTfcjyC4zv1nx",
                "00240801122054f8705778c4334796e87a1afb9fe487e0a099c8143026e299ad45cd8e89cee1"
            ),
            (
                "12D3KooWPJdRyAAk8xUZo94P7NePaPb859dxKatpL9FaKQ3mcbAK",
                "002408011220c8657336a9b191eb52cf72616700eb9ebf4a81a9d510117587e6556091e7201c"
            ),
            (
                "12D3KooWPhNsNyCajvDxGKz1e5bBDabTxxhYTCnDf3AsKDs1vEKR",
                "002408011220ce3957ee80e849f22a1d995ba2ccfe71ed9844f12b79c4707e7b58df0e5a4e88"
            ),
            (
                "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
                "12209dff3b17d74cf4d38a50d8b6383e92d181a10395a5e73a726dcccbd21bf6f0b9"
            ),
        ])
    func vectors(text: String, bytes: String) throws {
        let id = try PeerIDEncoding.libp2p.decode(text)
        #expect(PeerIDEncoding.libp2p.encode(id) == text)
        #expect(Array(id.bytes) == hex(bytes))
        #expect(PeerIDEncoding.hex.encode(id) == bytes)
        #expect(try PeerIDEncoding.hex.decode(bytes.uppercased()) == id)
    }

    @Test("A secp256k1 id has 39 bytes")
    func secp256k1() throws {
        let text = "16Uiu2HAmEWQnHq2jLKJypwVnVoQeFCULuyop6atvq2eWjYSUjzNi"
        let id = try PeerIDEncoding.libp2p.decode(text)
        #expect(id.bytes.count == 39)
        #expect(id.bytes.prefix(6) == [0x00, 0x25, 0x08, 0x02, 0x12, 0x21])
        #expect(PeerIDEncoding.libp2p.encode(id) == text)
    }

    @Test("The specification's CID and base58 example are the same id")
    func specification() throws {
        let cid = try PeerIDEncoding.libp2p.decode("bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe")
        #expect(PeerIDEncoding.libp2p.encode(cid) == "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
    }

    @Test("Every id that IPFS lists is written back as it was read", arguments: MultiaddrSamples.ids)
    func samples(text: String) throws {
        #expect(try PeerIDEncoding.libp2p.encode(PeerIDEncoding.libp2p.decode(text)) == text)
    }

    @Test("A CIDv1 is read in every multibase, in upper and lower case, and means the plain id")
    func multibases() throws {
        let id = try PeerIDEncoding.libp2p.decode(Self.ed25519)
        let cid = [0x01, 0x72] + id.bytes
        let base36 = "k" + (Base36.encode(cid) ?? "")
        #expect(base36.hasPrefix("k51"))
        let base32 = "b" + (Base32.encode(cid) ?? "")
        #expect(base32.hasPrefix("bafz"))
        let texts = [
            base36, base36.uppercased(), base32, base32.uppercased(), "z" + (Base58.encode(cid) ?? ""),
            "f" + Hex.encode(cid), "F" + Hex.encode(cid).uppercased(),
        ]
        for text in texts { #expect(try PeerIDEncoding.libp2p.decode(text) == id, "\(text)") }
    }

    @Test(
        "What is no libp2p id is refused with its reason",
        arguments: [
            ("", PeerIDError.empty),
            ("Hello", .unknownPrefix(0x48)),
            ("1/", .digits(.invalidDigit(0x2f, offset: 1))),
            ("f0170122000", .codec(0x70)),
            ("f0072122000", .version(0)),
            ("f01f200", .varint(.notMinimal)),
            ("f01", .varint(.truncated)),
            ("f0172", .multihash(.varint(.truncated))),
            ("f01720024080112", .multihash(.digestLength(declared: 36, actual: 3))),
            ("f01720000", .digestLength(hashFunction: 0, count: 0)),
            ("f01721100", .hashFunction(0x11)),
            ("f01721201ff", .digestLength(hashFunction: 0x12, count: 1)),
            ("f0172002b" + String(repeating: "00", count: 43), .digestLength(hashFunction: 0, count: 43)),
            ("f01720002ffffff", .multihash(.digestLength(declared: 2, actual: 3))),
            ("z" + String(repeating: "1", count: 256), .tooLong(count: 257, maximum: 256)),
        ])
    func refused(text: String, error: PeerIDError) {
        #expect(throws: error) { try PeerIDEncoding.libp2p.decode(text) }
        #expect(!error.description.isEmpty)
    }

    @Test("Hexadecimal ids have 1 to 128 bytes in an even number of digits")
    func hexadecimal() throws {
        #expect(try PeerIDEncoding.hex.decode("00fF").bytes == [0, 255])
        #expect(try PeerIDEncoding.hex.decode(String(repeating: "ab", count: 128)).bytes.count == 128)
        for text in ["", "0", "0g", "123", String(repeating: "ab", count: 129)] {
            #expect(throws: PeerIDError.self) { try PeerIDEncoding.hex.decode(text) }
        }
        #expect(PeerID([]) == nil)
        #expect(PeerID([UInt8](repeating: 0, count: 129)) == nil)
    }

    @Test("Ids in one shared buffer equal ids in buffers of their own; a refused one leaves no bytes")
    func sharing() throws {
        var buffer: [UInt8] = [0xee]
        let start = buffer.count
        try utf8(Self.ed25519) { (text) throws(PeerIDError) in
            try PeerIDEncoding.libp2p.decode(utf8: text, appendingTo: &buffer)
        }
        let shared = try #require(PeerID(buffer[start...]))
        let own = try PeerIDEncoding.libp2p.decode(Self.ed25519)
        #expect(shared == own)
        #expect(shared.hashValue == own.hashValue)
        #expect(Set([shared, own]).count == 1)
        let count = buffer.count
        #expect(throws: PeerIDError.self) {
            try utf8("12D3KooW") { (text) throws(PeerIDError) in
                try PeerIDEncoding.libp2p.decode(utf8: text, appendingTo: &buffer)
            }
        }
        #expect(buffer.count == count)
    }

    @Test("Order and equality are those of the bytes, at every length and first difference", arguments: [3 as UInt64])
    func order(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<3000 {
            let left = generator.bytes(Int.random(in: 1...40, using: &generator))
            var right = round.isMultiple(of: 2) ? left : generator.bytes(Int.random(in: 1...40, using: &generator))
            if round % 4 == 2 { right[Int.random(in: right.indices, using: &generator)] &+= 1 }
            if round % 8 == 4 { right.removeLast(right.count / 2) }
            let leftID = try #require(PeerID(left))
            // In the middle of a longer buffer.
            let rightID = try #require(PeerID(([1, 2, 3] + right + [4])[3...].dropLast()))
            #expect((leftID < rightID) == left.lexicographicallyPrecedes(right), "seed \(seed), round \(round)")
            #expect((leftID == rightID) == (left == right), "seed \(seed), round \(round)")
        }
    }

    @Test("Random text never traps, and an id that is read is written as an equal one", arguments: [5 as UInt64])
    func fuzz(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let valid = Array(Self.ed25519.utf8)
        let alphabet = Array("12D3KooWQmbzfk0OIl /\u{0}é".utf8)
        var accepted = 0
        for round in 0..<4000 {
            var text = valid
            if round.isMultiple(of: 2) {
                text[Int.random(in: text.indices, using: &generator)] = generator.element(of: alphabet)
            } else {
                text = (0..<(round % 80)).map { _ in generator.element(of: alphabet) }
            }
            let id = text.withUnsafeBufferPointer { try? PeerIDEncoding.libp2p.decode(utf8: $0) }
            guard let id else { continue }
            accepted += 1
            #expect(try PeerIDEncoding.libp2p.decode(PeerIDEncoding.libp2p.encode(id)) == id, "seed \(seed) \(round)")
        }
        #expect(accepted > 100)
    }
}
