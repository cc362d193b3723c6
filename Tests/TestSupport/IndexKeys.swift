import Kademlia

/// Distributions of keys that break wrong searches: uniform ones hide every fault.
package enum IndexKeys: String, CaseIterable, Sendable {
    case uniform
    /// All share 200 bits.
    case clustered
    /// Nine in ten share 200 bits, the rest is uniform.
    case mostlyClustered
    /// One key for each common prefix length with a pivot.
    case chain
    /// Nested clusters: at every level a handful of keys leaves the path.
    case caterpillar
    /// Consecutive numbers.
    case dense
    /// Around 000… and fff….
    case boundary
    /// Clusters inside clusters, of random depths.
    case nested
    /// The costliest for a walk: from ``zigzagTarget`` the nearest group is a cluster at every second bit, 127 times over.
    case zigzag

    package func keys(count: Int, using generator: inout SeededGenerator) -> [Key] {
        let pivot = Key.random(using: &generator)
        func tail(_ bits: Int, of prefix: Key) -> Key {
            prefix.prefix(bits, followedBy: .random(using: &generator))
        }
        switch self {
        case .uniform: return (0..<count).map { _ in .random(using: &generator) }
        case .clustered: return (0..<count).map { _ in tail(200, of: pivot) }
        case .mostlyClustered:
            return (0..<count).map { $0 % 10 == 0 ? .random(using: &generator) : tail(200, of: pivot) }
        case .chain: return (0..<Swift.min(count, 256)).map { tail($0 + 1, of: pivot.flippingBit($0)) } + [pivot]
        case .caterpillar:
            let width = Swift.max(1, count / 256)
            return (0..<256).flatMap { bit in (0..<width).map { _ in tail(bit + 1, of: pivot.flippingBit(bit)) } }
        case .dense:
            var key = pivot
            return (0..<count).map { _ in
                key = key.successor ?? .zero
                return key
            }
        case .boundary:
            return (0..<count).map { index in
                let small = Key(0, 0, 0, UInt64(index / 2))
                return index.isMultiple(of: 2) ? small : Key.max.advanced(by: Key.zero.distance(to: small))
            }
        case .nested:
            var heads = [pivot]
            return (0..<count).map { _ in
                let parent = heads[Int.random(in: 0..<heads.count, using: &generator)]
                let key = tail(Int.random(in: 0..<256, using: &generator), of: parent)
                if heads.count < 64 { heads.append(key) }
                return key
            }
        case .zigzag:
            let stubs = stride(from: 0, to: 240, by: 2).map { tail($0 + 1, of: Key.zero.flippingBit($0)) }
            return stubs + (0..<Swift.max(30, count - stubs.count)).map { _ in tail(240, of: .zero) }
        }
    }

    /// Agrees with the path of ``zigzag`` in every even bit and differs in every odd one.
    package static let zigzagTarget = Key(
        0x5555_5555_5555_5555, 0x5555_5555_5555_5555, 0x5555_5555_5555_5555, 0x5555_5555_5555_5555)

    /// Targets that matter: members, their neighbours in every sense, and strangers.
    package static func target(near keys: [Key], using generator: inout SeededGenerator) -> Key {
        guard !keys.isEmpty else { return .random(using: &generator) }
        let member = keys[Int.random(in: 0..<keys.count, using: &generator)]
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: return member
        case 1: return member.flippingBit(Int.random(in: 0..<256, using: &generator))
        case 2: return member.prefix(Int.random(in: 0...256, using: &generator), followedBy: .random(using: &generator))
        case 3: return member.successor ?? .zero
        case 4: return zigzagTarget
        case 5: return Bool.random(using: &generator) ? .zero : .max
        default: return .random(using: &generator)
        }
    }
}

/// What a search must find: everything sorted.
package func bruteForceNearest(
    _ keys: [Key], to target: Key, count: Int, after: Distance? = nil, accepts: (Key) -> Bool = { _ in true }
) -> [Key] {
    let eligible = keys.filter { key in
        guard accepts(key) else { return false }
        guard let after else { return true }
        return key.distance(to: target) > after
    }
    return Array(eligible.sorted { $0.distance(to: target) < $1.distance(to: target) }.prefix(count))
}
