import KadStore
import Kademlia
import Multiformats

/// Finds the peer that a person means: by its id, an address that ends in it, its key, the beginning of either, or an
/// id as a narrow list shows it (`12D3KooWAb…xyz`).
struct PeerFinder {
    let store: Store
    /// Rows that are read at most when only the beginning of an id is known: ids are not in the order of keys.
    static let scanLimit = 262_144
    private static let suggestionCount = 5
    private static let shortestPrefix = 4

    init(_ store: Store) { self.store = store }

    /// - Throws: ``CommandError/noSuchPeer(_:suggestions:)`` with similar ids,
    ///   ``CommandError/ambiguousPeer(_:matches:)``.
    func record(_ text: String) throws -> PeerRecord {
        guard !text.isEmpty else { throw CommandError.usage("the peer is empty.") }
        if text.hasPrefix("/") {
            let id = try Target.peerID(text, in: store.network)
            if let record = try store.record(of: store.network.key(of: id)) { return record }
            throw CommandError.noSuchPeer(text, suggestions: [])
        }
        if let id = try? store.network.idEncoding.decode(text), let key = try? store.network.key(of: id),
            let record = try store.record(of: key)
        {
            return record
        }
        let matches = try peers(keyPrefix: text)
        if matches.count == 1 { return matches[0] }
        if matches.count > 1 { throw ambiguous(text, matches) }
        return try byAbbreviation(text)
    }

    /// The peers whose keys begin with these hexadecimal digits: one range of the key index.
    private func peers(keyPrefix text: String) throws -> [PeerRecord] {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
        let width = store.network.keyByteCount
        guard (Self.shortestPrefix...2 * width).contains(digits.utf8.count) else { return [] }
        let isOdd = !digits.utf8.count.isMultiple(of: 2)
        guard let bytes = Hex.decode(isOdd ? digits + "0" : digits), let first = Key(bytes: bytes) else { return [] }
        let bits = 4 * digits.utf8.count
        let page = try store.peers(after: first.lowerBound(prefix: bits).predecessor, limit: Self.suggestionCount + 1)
        return page.peers.filter { $0.key.commonPrefixLength(with: first) >= bits }
    }

    /// Looks through ids: one that is abbreviated without doubt is taken, similar ones are offered.
    private func byAbbreviation(_ text: String) throws -> PeerRecord {
        let wanted = Abbreviation(text)
        var matches: [PeerRecord] = []
        var similar: [(score: Int, id: String)] = []
        var rows = 0
        var next: Key?
        repeat {
            let page = try store.peers(after: next, limit: Store.maximumPageCount)
            for record in page.peers {
                let id = store.network.idEncoding.encode(record.id)
                if wanted.matches(id) {
                    matches.append(record)
                    if matches.count > Self.suggestionCount { throw ambiguous(text, matches) }
                } else if let score = wanted.likeness(to: id) {
                    similar.append((score, id))
                    similar.sort { ($0.score, $1.id) > ($1.score, $0.id) }
                    if similar.count > Self.suggestionCount { similar.removeLast() }
                }
            }
            rows += page.peers.count
            next = page.next
        } while next != nil && rows < Self.scanLimit
        // What was not looked at could match as well.
        if matches.count == 1, next == nil { return matches[0] }
        if matches.count > 1 { throw ambiguous(text, matches) }
        let slips = matches.isEmpty && similar.isEmpty ? try keySlips(text) : []
        throw CommandError.noSuchPeer(text, suggestions: matches.map(name) + similar.map(\.id) + slips)
    }

    /// Peers whose keys were mistyped, each with the key that was meant as far as it was typed.
    private func keySlips(_ text: String) throws -> [String] {
        try KeySlips(store: store).peers(like: text, count: Self.suggestionCount).map { record in
            let key = record.key.hex(byteCount: store.network.keyByteCount)
            let id = name(record)
            return key == id ? id : "\(key.prefix(max(10, text.utf8.count)))  \(id)"
        }
    }

    private func ambiguous(_ text: String, _ matches: [PeerRecord]) -> CommandError {
        .ambiguousPeer(text, matches: matches.prefix(Self.suggestionCount).map(name))
    }

    private func name(_ record: PeerRecord) -> String { store.network.idEncoding.encode(record.id) }
}

/// A part of an id's text.
struct Abbreviation {
    private let text: [UInt8]
    private let head: [UInt8]
    private let tail: [UInt8]

    init(_ text: String) {
        self.text = Array(text.utf8)
        var parts = text.split(separator: "…", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 1, let dots = text.firstRange(of: "...") {
            parts = [text[..<dots.lowerBound], text[dots.upperBound...]]
        }
        head = Array((parts.first ?? "").utf8)
        tail = parts.count == 2 ? Array(parts[1].utf8) : []
    }

    /// Whether an id begins, and with an ellipsis ends, like this.
    func matches(_ id: String) -> Bool {
        let id = id.utf8
        return id.count >= head.count + tail.count && id.starts(with: head)
            && id.reversed().starts(with: tail.reversed())
    }

    /// The characters that agree at both ends, when no more than three in one place do not: a slip of the hand.
    func likeness(to id: String) -> Int? {
        let id = Array(id.utf8)
        let longest = max(id.count, text.count)
        guard longest - min(id.count, text.count) <= 3 else { return nil }
        let shortest = min(id.count, text.count)
        var start = 0
        while start < shortest, id[start] == text[start] { start += 1 }
        var end = 0
        while end < shortest - start, id[id.count - 1 - end] == text[text.count - 1 - end] { end += 1 }
        return longest - start - end <= 3 ? start + end : nil
    }
}
