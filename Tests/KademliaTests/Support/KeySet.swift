import Kademlia

/// Distributions of keys, kind and unkind. With uniform keys and targets alone nearly every fault of a nearest-k search
/// stays hidden.
enum KeySet: String, CaseIterable, Sendable {
    /// Drawn uniformly.
    case uniform
    /// One bit in two deeper toward the local key: what a table is made of.
    case nearSelf
    /// All share 200 bits (or most of a narrower space) with each other: a cheap Sybil cluster.
    case sharedPrefix
    /// One key for each common prefix length with the local key.
    case chain
    /// A chain with random leaves off each of its joints.
    case caterpillar
    /// Zero, the maximum, powers of two, and their numeric neighbours.
    case boundaries

    func keys(_ count: Int, near local: Key, bits: Int, using generator: inout SeededGenerator) -> [Key] {
        var keys: Set<Key> = []
        switch self {
        case .uniform:
            for _ in 0..<count { keys.insert(.random(using: &generator)) }
        case .nearSelf:
            for _ in 0..<count { keys.insert(Self.key(near: local, bits: bits, using: &generator)) }
        case .sharedPrefix:
            let hub = Key.random(using: &generator)
            let length = min(200, bits - 20)
            for _ in 0..<count { keys.insert(hub.prefix(length, followedBy: .random(using: &generator))) }
        case .chain:
            for index in 0..<bits { keys.insert(local.flippingBit(index)) }
        case .caterpillar:
            for index in 0..<bits {
                let joint = local.flippingBit(index)
                keys.insert(joint)
                if index + 1 < bits {
                    keys.insert(joint.prefix(index + 1, followedBy: .random(using: &generator)))
                    keys.insert(joint.flippingBit(index + 1))
                }
            }
        case .boundaries:
            keys = [.zero, .max]
            for _ in 0..<count {
                let single = Key.zero.flippingBit(Int.random(in: 0..<bits, using: &generator))
                keys.formUnion([single, Key.max.advanced(by: Key.zero.distance(to: single))])
                if let next = single.successor { keys.insert(next) }
                if let previous = single.predecessor { keys.insert(previous) }
            }
        }
        return Set(keys.map { $0.prefix(bits, followedBy: .zero) }).sorted().shuffled(using: &generator)
    }

    /// A key whose common prefix with `local` is longer by each bit with probability one half, or, now and then, of any
    /// length at all.
    static func key(near local: Key, bits: Int, using generator: inout SeededGenerator) -> Key {
        var length = 0
        if Int.random(in: 0..<4, using: &generator) == 0 {
            length = Int.random(in: 0...bits, using: &generator)
        } else {
            while length < bits, Bool.random(using: &generator) { length += 1 }
        }
        return local.prefix(length, followedBy: .random(using: &generator)).prefix(bits, followedBy: .zero)
    }

    /// Targets that find faults: the local key, keys near it and near the given ones, the ends of the space.
    static func targets(
        _ count: Int, near local: Key, among keys: [Key], bits: Int, using generator: inout SeededGenerator
    ) -> [Key] {
        var targets: [Key] = [local, .zero, Key.max.prefix(bits, followedBy: .zero)]
        for index in 0..<count {
            switch index % 4 {
            case 0: targets.append(Key.random(using: &generator).prefix(bits, followedBy: .zero))
            case 1: targets.append(key(near: local, bits: bits, using: &generator))
            case 2:
                let member = keys.randomElement(using: &generator) ?? local
                targets.append(key(near: member, bits: bits, using: &generator))
            default:
                let member = keys.randomElement(using: &generator) ?? local
                targets.append(member.flippingBit(Int.random(in: 0..<bits, using: &generator)))
            }
        }
        return targets
    }
}
