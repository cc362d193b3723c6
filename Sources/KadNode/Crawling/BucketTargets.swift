import KadEngine
import KadStore
import Kademlia

/// Targets in the buckets of any peer, found once and shared by all whom a crawl visits.
///
/// Where a network hashes identifiers, a target in bucket i of a peer is bytes whose key shares exactly i bits with the
/// peer's: those whose key begins with one of 2^(i + 1) prefixes. Every hash that is tried serves one prefix of each length,
/// so that all of them down to ``deepest`` take 2^17 hashes or so once, not 2^(i + 1) for each peer and bucket.
struct BucketTargets {
    /// The deepest bucket that targets are found for.
    static let deepest = RefreshTarget.deepestPreimageBucket

    private let network: Network
    private let prefix: [UInt8]
    private let filler: [UInt8]
    private var generator: SeededGenerator
    private var tried: UInt32 = 0
    /// For prefixes of n + 1 bits, by their value: the number of the try that has one, from 1; 0 is none yet.
    private var tries: [[UInt32]]

    /// Random bytes of a preimage between its prefix and the number of the try: together as long as a SHA-256 digest.
    private static let fillerByteCount = RefreshTarget.preimageByteCount - 4

    /// - Parameter prefix: see ``EngineConfiguration/preimagePrefix``.
    init(network: Network, prefix: [UInt8], seed: UInt64) {
        self.network = network
        self.prefix = prefix
        var generator = SeededGenerator(seed: seed)
        filler = (0..<Self.fillerByteCount).map { _ in .random(in: .min ... .max, using: &generator) }
        self.generator = generator
        tries = (0...Self.deepest).map { Array(repeating: 0, count: 1 << ($0 + 1)) }
    }

    /// A target that shares exactly `bucket` bits with a key.
    ///
    /// - Returns: nil beyond ``deepest``, and when a search finds nothing within its bound, which e^-16 of them do.
    /// - Complexity: O(1) once found; until then at most 2^(bucket + 1) times ``RefreshTarget/preimageTryFactor`` hashes.
    mutating func target(bucket: Int, of key: Key) -> LookupTarget? {
        guard (0...Self.deepest).contains(bucket) else { return nil }
        let flipped = key.flippingBit(bucket)
        guard network.derivation == .sha256 else {
            let drawn = flipped.prefix(bucket + 1, followedBy: Key.random(using: &generator))
            return LookupTarget(key: drawn.prefix(network.keyBits, followedBy: .zero))
        }
        let wanted = Self.beginning(of: flipped, bits: bucket + 1)
        var left = RefreshTarget.preimageTryFactor << (bucket + 1)
        while tries[bucket][wanted] == 0, left > 0, tried < .max {
            tryNext()
            left -= 1
        }
        let found = tries[bucket][wanted]
        guard found > 0 else { return nil }
        let preimage = preimage(found)
        return LookupTarget(key: network.target(hashing: preimage), preimage: preimage)
    }

    private mutating func tryNext() {
        tried += 1
        let key = network.target(hashing: preimage(tried))
        for level in tries.indices.reversed() {
            let beginning = Self.beginning(of: key, bits: level + 1)
            // Whoever has this prefix has all shorter ones.
            guard tries[level][beginning] == 0 else { return }
            tries[level][beginning] = tried
        }
    }

    private func preimage(_ number: UInt32) -> [UInt8] {
        prefix + filler + withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func beginning(of key: Key, bits: Int) -> Int { Int(key.word0 >> UInt64(64 - bits)) }
}
