/// What to look up so that a bucket's range is searched: a target that really lies in the range.
public enum RefreshTarget: Hashable, Sendable {
    /// Look this key up. For networks whose keys are the identifiers themselves.
    case key(Key)

    /// Look these bytes up: the network derives this key from them, and it lies in the range.
    case preimage([UInt8], key: Key)

    /// Look the local key up: the range is so near to it that the one search covers both.
    case lookUpSelf

    /// The deepest bucket that a preimage is searched for: 2^16 hashes at 150 ns take 10 ms. Beyond it the range holds
    /// one key in 65,536, so every peer of it is among a self-lookup's nearest in networks up to about a million peers.
    public static let deepestPreimageBucket = 15

    /// The bound of a preimage search, as a multiple of the expected number of tries: it ends without one in e^-16 of
    /// the cases.
    public static let preimageTryFactor = 16

    /// The random bytes of a preimage, after its prefix: as long as a SHA-256 digest.
    public static let preimageByteCount = 32
}

extension RoutingTable {
    /// A uniformly drawn key of the bucket's range, for networks whose keys are the identifiers themselves.
    ///
    /// - Returns: nil when there is no bucket with this index.
    public func refreshTarget(bucket index: Int, using generator: inout some RandomNumberGenerator) -> RefreshTarget? {
        guard buckets.indices.contains(index) else { return nil }
        let tail = Key.random(using: &generator)
        let drawn: Key
        if index == buckets.count - 1 {
            drawn = localKey.prefix(index, followedBy: tail)
        } else {
            drawn = localKey.flippingBit(index).prefix(index + 1, followedBy: tail)
        }
        let key = drawn.prefix(configuration.keyBits, followedBy: .zero)
        return key == localKey ? .lookUpSelf : .key(key)
    }

    /// Bytes whose derived key lies in the bucket's range, for networks that hash identifiers.
    ///
    /// One in 2^(index + 1) inputs lands in the bucket (in the last one, one in 2^index): they are tried one after
    /// another, from a random start. Buckets beyond ``RefreshTarget/deepestPreimageBucket``, and the rare search that
    /// finds nothing within its bound, are refreshed by a lookup of the local key.
    ///
    /// - Parameters:
    ///   - prefix: bytes that every preimage begins with. libp2p needs `[0x12, 0x20]`: some peers decline a target that
    ///     does not parse as a SHA-256 multihash.
    ///   - derive: the network's derivation of a key from an identifier.
    /// - Returns: nil when there is no bucket with this index.
    /// - Complexity: 2^(index + 1) derivations on average, at most ``RefreshTarget/preimageTryFactor`` times as many.
    public func refreshTarget(
        bucket index: Int, using generator: inout some RandomNumberGenerator, prefix: [UInt8] = [],
        deriving derive: (borrowing [UInt8]) -> Key
    ) -> RefreshTarget? {
        guard buckets.indices.contains(index) else { return nil }
        guard index <= RefreshTarget.deepestPreimageBucket else { return .lookUpSelf }

        var preimage = prefix
        for _ in 0..<RefreshTarget.preimageByteCount {
            preimage.append(UInt8.random(in: .min ... .max, using: &generator))
        }
        for _ in 0..<(RefreshTarget.preimageTryFactor << (index + 1)) {
            let key = derive(preimage)
            if key != localKey, bucketIndex(of: key) == index { return .preimage(preimage, key: key) }
            Self.increment(&preimage)
        }
        return .lookUpSelf
    }

    /// Counts up in the last four bytes, more than the longest search goes.
    private static func increment(_ bytes: inout [UInt8]) {
        for index in bytes.indices.suffix(4).reversed() {
            bytes[index] &+= 1
            if bytes[index] != 0 { return }
        }
    }
}
