import KadStore
import Kademlia

/// Finds whom somebody meant who has mistyped a key: tries every slip of one digit, each a search of the key index, and
/// then the keys that begin most alike.
///
/// - Complexity: O(digits * log n), some two thousand searches at most, however many peers there are.
struct KeySlips {
    let store: Store

    private static let digits = Array("0123456789abcdef".utf8)
    /// With fewer, too many keys are like them.
    private static let fewestDigits = 6

    /// Peers with keys like these digits, `count` at most; none for a text that is no key even with a slip.
    func peers(like text: String, count: Int) throws -> [PeerRecord] {
        let typed = Array((text.hasPrefix("0x") ? text.dropFirst(2) : text[...]).lowercased().utf8)
        let width = 2 * store.network.keyByteCount
        guard (Self.fewestDigits...width + 1).contains(typed.count) else { return [] }
        let wrong = typed.indices.filter { !Self.digits.contains(typed[$0]) }
        guard wrong.count <= 1 else { return [] }
        var found: [PeerRecord] = []
        for variant in variants(of: typed, wrong: wrong.first) where variant.count <= width {
            guard let peer = try first(variant), !found.contains(where: { $0.key == peer.key }) else { continue }
            found.append(peer)
            if found.count == count { return found }
        }
        if found.isEmpty, wrong.isEmpty, let key = key(typed.prefix(width)) {
            // Half of the digits or more are right: not a coincidence.
            found = try store.nearest(to: key, count: 1).peers
                .filter { $0.key.commonPrefixLength(with: key) >= 2 * typed.count }
                .compactMap { try store.record(of: $0.key) }
        }
        return found
    }

    /// What was typed with one digit replaced, swapped with the next, taken out or put in.
    private func variants(of typed: [UInt8], wrong: Int?) -> [[UInt8]] {
        var variants: [[UInt8]] = []
        for index in typed.indices where wrong == nil || wrong == index {
            for digit in Self.digits where digit != typed[index] {
                var variant = typed
                variant[index] = digit
                variants.append(variant)
            }
            var shorter = typed
            shorter.remove(at: index)
            variants.append(shorter)
        }
        guard wrong == nil else { return variants }
        for index in typed.indices.dropLast() where typed[index] != typed[index + 1] {
            var variant = typed
            variant.swapAt(index, index + 1)
            variants.append(variant)
        }
        for index in 0..<typed.count {
            for digit in Self.digits {
                var variant = typed
                variant.insert(digit, at: index)
                variants.append(variant)
            }
        }
        return variants
    }

    /// The first peer whose key begins with these digits.
    private func first(_ digits: [UInt8]) throws -> PeerRecord? {
        guard let start = key(digits[...]) else { return nil }
        let page = try store.peers(after: start.lowerBound(prefix: 4 * digits.count).predecessor, limit: 1)
        return page.peers.first { $0.key.commonPrefixLength(with: start) >= 4 * digits.count }
    }

    private func key(_ digits: ArraySlice<UInt8>) -> Key? {
        let text = String(decoding: digits, as: UTF8.self)
        return Hex.decode(digits.count.isMultiple(of: 2) ? text : text + "0").flatMap { Key(bytes: $0) }
    }
}
