/// How a network writes its peer ids as text.
public enum PeerIDEncoding: String, Hashable, Sendable, CaseIterable {
    /// Base58btc of the multihash (`12D3Koo…`, `Qm…`, `16Uiu2…`). A CIDv1 with codec libp2p-key is read as well, in
    /// base16, base32, base36, base58btc or base64, as the libp2p peer-id specification asks.
    case libp2p
    /// Two hexadecimal digits a byte, lower case out and either case in.
    case hex

    /// The most characters that are read.
    public static let textLimit = 256

    /// The text of an id. Any id has one: whether its bytes are a multihash is checked on reading only.
    ///
    /// - Complexity: O(n) for `hex`, O(n²) for `libp2p`, with n at most 128 bytes.
    public func encode(_ id: PeerID) -> String {
        var text: [UInt8] = []
        append(id, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the text of an id as ASCII.
    public func append(_ id: PeerID, to output: inout [UInt8]) {
        switch self {
        // An id's 128 bytes are within the limits of both bases.
        case .libp2p: Base58.append(id.bytes, to: &output)
        case .hex: Base16.append(id.bytes, to: &output)
        }
    }

    /// The id that `text` stands for.
    public func decode(_ text: some StringProtocol) throws(PeerIDError) -> PeerID {
        try withUTF8(of: text, decode(utf8:))
    }

    /// The id that ASCII bytes stand for.
    public func decode(utf8 text: UnsafeBufferPointer<UInt8>) throws(PeerIDError) -> PeerID {
        var bytes: [UInt8] = []
        try decode(utf8: text, appendingTo: &bytes)
        guard let id = PeerID(bytes) else {
            throw .tooLong(count: bytes.count, maximum: PeerID.byteCounts.upperBound)
        }
        return id
    }

    /// Appends the bytes of the id that ASCII bytes stand for, so that ids can share a buffer. On failure nothing is
    /// appended.
    public func decode(
        utf8 text: UnsafeBufferPointer<UInt8>, appendingTo output: inout [UInt8]
    ) throws(PeerIDError) {
        guard let first = text.first else { throw .empty }
        guard text.count <= Self.textLimit else { throw .tooLong(count: text.count, maximum: Self.textLimit) }
        let start = output.count
        do throws(PeerIDError) {
            switch self {
            case .hex:
                try Self.read(text, as: Base16.self, into: &output)
            case .libp2p where first == UInt8(ascii: "1") || text.starts(with: [UInt8(ascii: "Q"), UInt8(ascii: "m")]):
                try Self.read(text, as: Base58.self, into: &output)
                try Self.check(multihash: output[start...])
            case .libp2p:
                guard let base = Multibase.base(prefix: first) else { throw .unknownPrefix(first) }
                try Self.read(text.part(1..<text.count), as: base, into: &output)
                output.removeSubrange(start..<(start + (try Self.prefixCount(cid: output[start...]))))
                try Self.check(multihash: output[start...])
            }
        } catch {
            output.removeSubrange(start...)
            throw error
        }
    }

    /// Whether an id is one of the networks that use this encoding. ``PeerID`` itself admits any 1 to 128 bytes; of hex ids
    /// the network knows the length.
    public func admits(_ id: PeerID) -> Bool {
        switch self {
        case .hex: true
        case .libp2p: (try? Self.check(multihash: id.bytes)) != nil
        }
    }

    private static func read(
        _ text: UnsafeBufferPointer<UInt8>, as base: any TextBase.Type, into output: inout [UInt8]
    ) throws(PeerIDError) {
        do throws(BaseError) {
            try base.decode(utf8: text, appendingTo: &output)
        } catch {
            throw .digits(error)
        }
    }

    /// The number of bytes of a CIDv1 before its multihash: version and codec.
    private static func prefixCount(cid: ArraySlice<UInt8>) throws(PeerIDError) -> Int {
        var rest = cid
        let version = try number(from: &rest)
        guard version == 1 else { throw .version(version) }
        let codec = try number(from: &rest)
        guard codec == libp2pKeyCodec else { throw .codec(codec) }
        return cid.count - rest.count
    }

    private static func number(from bytes: inout ArraySlice<UInt8>) throws(PeerIDError) -> UInt64 {
        do throws(VarintError) {
            return try Varint.read(from: &bytes, byteLimit: Varint.multiformatsByteLimit)
        } catch {
            throw .varint(error)
        }
    }

    /// The multicodec of a libp2p public key.
    private static let libp2pKeyCodec: UInt64 = 0x72

    private static func check(multihash bytes: ArraySlice<UInt8>) throws(PeerIDError) {
        try bytes.withUnsafeBufferPointer(check(multihash:))
    }

    /// Checks that bytes are a libp2p peer id: a public key of at most 42 bytes as it is, or the SHA-256 of a longer one.
    static func check(multihash bytes: UnsafeBufferPointer<UInt8>) throws(PeerIDError) {
        let hash: Multihash
        do throws(MultihashError) {
            hash = try Multihash(bytes)
        } catch {
            throw .multihash(error)
        }
        let isPossible =
            switch hash.code {
            case Multihash.identity: (1...42).contains(hash.digestCount)
            case Multihash.sha256: hash.digestCount == 32
            default: throw .hashFunction(hash.code)
            }
        guard isPossible else { throw .digestLength(hashFunction: hash.code, count: hash.digestCount) }
    }
}
