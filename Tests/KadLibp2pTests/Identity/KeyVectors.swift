import Crypto
import Foundation
import Kademlia
import Testing

@testable import KadLibp2p

/// Keys, peer ids and signatures of "kadstore" that py-libp2p 0.8.1 made (ECDSA: Python's cryptography).
struct KeyVector: Sendable, CustomTestStringConvertible {
    let algorithm: PublicKey.Algorithm
    let encoded: [UInt8]
    let peerID: String
    let signature: [UInt8]

    static let message = Array("kadstore".utf8)
    /// The seed of py-libp2p's first node in the interoperability tests.
    static let seed = Array(SHA256.hash(data: Array("kadstore-interop/0".utf8)))

    var testDescription: String { "\(algorithm)" }

    private init(_ algorithm: PublicKey.Algorithm, _ encoded: String, _ peerID: String, _ signature: String) {
        self.algorithm = algorithm
        self.encoded = Hex.decode(encoded) ?? []
        self.peerID = peerID
        self.signature = Hex.decode(signature) ?? []
    }

    static let ed25519 = KeyVector(
        .ed25519, "0801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5",
        "12D3KooWJ2AYycHCAarHgrHqFRMY3oRKfFgkKpcpARZUivnwWszk",
        "87494b250090f9643739a6c8f310918366da645ca671748a1c9603fef1469142"
            + "d2e46819bd1147628532036f10ea47538674a61dfb15b3eee07a3e7f5c80f109")

    static let rsa = KeyVector(
        .rsa,
        "080012a60230820122300d06092a864886f70d01010105000382010f003082010a0282010100a82525f3423b5e375813"
            + "75ba45414b254247959d16fb274c52c786af09602e4c2d969b02e53251bf0a48f753ffeba7ba56718f2b4ababd6d0b26"
            + "f424209bcff3f962d503bfdcfc3a1e66f46cb29cdf9bf57b62966e844451e7f094913a62f03e62e8bf2a9af705fda807"
            + "b244ff6a0d4996368257aea214fcd9fcf37749d1309f00960eafc0b3876196116ef29c6e26798cd17960f79f2f8a4d5c"
            + "49c0f62ee6d87138719c1a3ae9f0237ebe8113d8690ce931e5d0c82d99300cb495b565483ff860388c6c94bc35a67f6f"
            + "b944e3ce59734fe1c5050ba48cdeb0fc56e40c4e8c59df9d39db8c5e0df215d3ee443eb02efaa13c34d1d9f32867c4ea"
            + "677c44c3ae210203010001",
        "QmUpyymkrzrqvcb2tWXLMW12KJxYrUtcouXFe3cXGdAorB",
        "06417410d96c803fb13db88f4b4404e9b7a515d3553ea792e3c1f695ab2064c011e2157e3719b8116afdf94281b016d0"
            + "050930ccdd6e1ba96698f4baff665849d9dc48aad7ebc22061c935a148779ccaca0344580a32e12447a62a3e192554a6"
            + "7912a263139bc12dd77895ef54ee53f97b21dc6920f18c64f0d83c9b1ad15fc892241acfda8a79f6b1bf8c2db3731b58"
            + "a2f83ff086f2b4f5c50c18af0d3e79aaa40a3993a415c5d9809983dd61aa2a392d75b9e3af88d73c1c5ca808c9e58ff7"
            + "30e6b852994267128ed1aac16c4f10026c3b973d8d1baf6bc5b35e3248c589fd8c470dbbb7eda757ba0f64e506822d6b"
            + "9f3f6ed8a617f57af21b17083effc9fe")

    static let ecdsa = KeyVector(
        .ecdsa,
        "0803125b3059301306072a8648ce3d020106082a8648ce3d030107034200045ab7bb1c2c7a375857762463498f2a9dad"
            + "5e186b41ece1af7f0e1f584f4d9112cc8168041eb3280e0537ca9370917d56d05fb9bab7c2488808e5cec7e958a33d",
        "QmSQV1JCgTAdbREy8cyunaMQNyzeQaRsELhsZ1Y8GMSwVn",
        "304402202370719dbdb38929ebb331629bc650b9056f5ed606cbe3b4766bfbf574b47990"
            + "0220428174155cf0f20605132f160a43518b3cd78ba41ec99d1f8cd422ccf8c096e6")

    static let secp256k1 = KeyVector(
        .secp256k1, "08021221025ac20198c6f691bab55ef6c12b1d9d55eed0e96db56abc95265c90dc97fda689",
        "16Uiu2HAm1XxFd1Q4M7muDVzzX3YgErZ7CYhxtezjy4GGr1D2c8EL",
        "3045022100f7b48be78fdf2dec4461a1907ae4f6f7dbd57168ca6d510c1fb58443307d7ee6"
            + "022030c557262e976efd6234d68c05c386272d185821cc08e6e96a3e8302f65c4139")

    static let all = [ed25519, rsa, ecdsa, secp256k1]
    static let checkable = [ed25519, rsa, ecdsa]
}

/// The peer ids of the interoperability tests' nodes, which the core's tests have too.
struct InteropIDs: Decodable {
    struct Node: Decodable {
        let number: Int
        let peerID: String
        let bytes: String

        enum CodingKeys: String, CodingKey {
            case number = "i"
            case peerID = "peer_id"
            case bytes
        }
    }
    let ed25519: [Node]

    static func load() throws -> InteropIDs {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = tests.appendingPathComponent("KademliaTests/Fixtures/kad_vectors.json")
        return try JSONDecoder().decode(InteropIDs.self, from: Data(contentsOf: file))
    }
}
