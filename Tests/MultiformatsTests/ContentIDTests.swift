import Kademlia
import Multiformats
import Testing

@Suite("A content identifier")
struct ContentIDTests {
    /// Of the CID specification and its tutorial: one hash in three forms.
    static let hash = "1220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a"

    @Test(
        "names a multihash, in each of its forms",
        arguments: [
            ("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", hash),
            ("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", hash),
            ("f01701220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a", hash),
            ("zdj7Wic6KcJAfWz1c9o4M6kq9Lwd5BfbxkVafnrojaaGiSFxM", hash),
        ])
    func forms(text: String, hash: String) {
        #expect(ContentID.multihash(of: text).map(Hex.encode) == hash)
    }

    @Test(
        "is nothing else",
        arguments: [
            "", "b", "hello world", "/ipfs/x", "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMn",
            "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMn0",
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fb",
            "f0270122000", "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf", String(repeating: "b", count: 300),
        ])
    func others(text: String) {
        #expect(ContentID.multihash(of: text) == nil)
    }
}
