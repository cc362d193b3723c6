import Kademlia
import Multiformats

@testable import KadStore

/// What a store should remember of a peer, by the simplest means: dictionaries and sets, put in order when asked.
struct ModelPeer: Equatable {
    struct Address: Equatable {
        var firstSeen: Instant
        var lastSeen: Instant
        var lastOK: Instant?
        var failures = 0
        var source: String?
    }

    struct Place: Hashable {
        /// Empty for a failure of no address.
        var address: [UInt8]
        var failureClass: FailureClass
    }

    struct Failures: Equatable {
        var count: Int
        var firstAt: Instant
        var lastAt: Instant
    }

    let peer: Peer
    var addresses: [Multiaddr: Address] = [:]
    var firstSeen: Instant
    var lastSeen: Instant
    var lastOK: Instant?
    var successes = 0
    var rtt: RTTEstimate?
    /// Days since 1970 on which it was seen.
    var days: Set<Int64>
    var agent: String?
    var protocols: [String] = []
    var source: String?
    var failures: [Place: Failures] = [:]
    var backoff: BackoffState?

    init(_ peer: Peer, at now: Instant, source: String?) {
        self.peer = peer
        self.source = source
        (firstSeen, lastSeen, days) = (now, now, [Self.day(now)])
    }

    static func day(_ instant: Instant) -> Int64 { instant.milliseconds / 86_400_000 }

    // MARK: What happens to it

    mutating func see(_ now: Instant) {
        days.insert(Self.day(now))
        firstSeen = min(firstSeen, now)
        lastSeen = max(lastSeen, now)
        // A bit that has left the mask never comes back.
        days = days.filter { Self.day(lastSeen) - $0 < 32 }
    }

    mutating func hear(_ heard: [Multiaddr], _ source: String?, at now: Instant) {
        see(now)
        for address in heard.prefix(64) { touch(address, source, at: now) }
        keepTheBest()
    }

    mutating func answer(_ address: Multiaddr?, rtt sample: Int64?, at now: Instant) {
        see(now)
        lastOK = [lastOK, now].compactMap { $0 }.max()
        successes += 1
        if let sample {
            if rtt == nil { rtt = RTTEstimate(first: sample) } else { rtt?.observe(sample) }
        }
        guard let address else { return }
        touch(address, nil, at: now)
        let before = addresses[address]?.lastOK
        addresses[address]?.lastOK = [before, now].compactMap { $0 }.max()
        addresses[address]?.failures = 0
        keepTheBest()
    }

    mutating func identify(_ agent: String?, _ protocols: [String], at now: Instant) {
        see(now)
        self.agent = agent.map(Self.cut)
        self.protocols = Self.tidy(protocols)
    }

    mutating func fail(_ address: Multiaddr?, _ failureClass: FailureClass, at now: Instant) {
        if let address { addresses[address]?.failures += 1 }
        let place = Place(address: address.map { Array($0.bytes) } ?? [], failureClass: failureClass)
        note(place, Failures(count: 1, firstAt: now, lastAt: now)) { $0 + 1 }
    }

    mutating func forgive() {
        backoff = nil
        failures = [:]
        for address in addresses.keys { addresses[address]?.failures = 0 }
    }

    /// What a foreign file says: the better of both, never less than there was.
    mutating func merge(_ foreign: ImportedPeer, trusting: Bool) {
        if let first = foreign.firstSeen { firstSeen = min(firstSeen, first) }
        if let last = foreign.lastSeen { see(last) }
        for entry in foreign.addresses {
            let first = entry.firstSeen ?? foreign.firstSeen ?? firstSeen
            touch(entry.address, foreign.source, at: entry.lastSeen ?? foreign.lastSeen ?? first)
            guard var address = addresses[entry.address] else { continue }
            address.firstSeen = min(address.firstSeen, first)
            if trusting {
                address.failures = max(address.failures, entry.failures)
                address.lastOK = [address.lastOK, entry.lastOK].compactMap { $0 }.max()
            }
            addresses[entry.address] = address
        }
        keepTheBest()
        if agent == nil { agent = foreign.agent.map(Self.cut) }
        if protocols.isEmpty { protocols = Self.tidy(foreign.protocols) }
        if source == nil { source = foreign.source }
        for failure in foreign.failures {
            let place = Place(
                address: failure.address.map { Array($0.bytes) } ?? [], failureClass: failure.failureClass)
            let told = Failures(count: failure.count, firstAt: failure.firstAt, lastAt: failure.lastAt)
            note(place, told) { max($0, failure.count) }
        }
        guard trusting else { return }
        lastOK = [lastOK, foreign.lastOK].compactMap { $0 }.max()
        successes = max(successes, foreign.successes)
        if let last = foreign.lastSeen, last == lastSeen {
            for back in 0..<32 where foreign.daysSeen >> UInt32(back) & 1 == 1 {
                days.insert(Self.day(last) - Int64(back))
            }
        }
        if rtt == nil { rtt = foreign.rtt }
    }

    private mutating func touch(_ address: Multiaddr, _ source: String?, at now: Instant) {
        if var known = addresses[address] {
            known.lastSeen = max(known.lastSeen, now)
            addresses[address] = known
        } else {
            addresses[address] = Address(firstSeen: now, lastSeen: now, source: source ?? self.source)
        }
    }

    private mutating func note(_ place: Place, _ failure: Failures, _ count: (Int) -> Int) {
        if let known = failures[place] {
            failures[place] = Failures(
                count: count(known.count), firstAt: min(known.firstAt, failure.firstAt),
                lastAt: max(known.lastAt, failure.lastAt))
        } else if failures.count < 256 {
            failures[place] = failure
        }
    }

    /// 64 addresses; those to dial first stay.
    private mutating func keepTheBest() {
        for address in inDialOrder.dropFirst(64) { addresses[address] = nil }
    }

    // MARK: What it looks like

    /// Answered lately, then not failed, then heard of lately, then by bytes.
    var inDialOrder: [Multiaddr] {
        func rank(_ address: Multiaddr) -> [Int64] {
            guard let known = addresses[address] else { return [] }
            return [-(known.lastOK?.milliseconds ?? -1), Int64(known.failures), -known.lastSeen.milliseconds]
        }
        return addresses.keys.sorted { left, right in
            let (mine, other) = (rank(left), rank(right))
            return mine == other
                ? Array(left.bytes).lexicographicallyPrecedes(Array(right.bytes))
                : mine.lexicographicallyPrecedes(other)
        }
    }

    var lastFailure: Instant? {
        let harmless: Set<FailureClass> = [.identityMismatch, .busy, .cancelled, .local]
        return failures.filter { !harmless.contains($0.key.failureClass) }.map(\.value.lastAt).max()
    }

    var standing: PeerRecord.Standing {
        switch (lastOK, lastFailure) {
        case (nil, nil): .unverified
        case (nil, _): .failing
        case (let ok?, let failed?): failed > ok ? .failing : .answered
        case (_, nil): .answered
        }
    }

    func remaining(at now: Instant) -> Int64 {
        guard let backoff, let notBefore = backoff.notBefore else { return 0 }
        return max(0, min(notBefore.milliseconds - now.milliseconds, backoff.waitMilliseconds))
    }

    /// Failures in a row, of the outcomes that are known.
    var failuresInARow: Int {
        guard let backoff else { return 0 }
        return (0..<backoff.outcomeCount).prefix { backoff.outcomes >> UInt32($0) & 1 == 1 }.count
    }

    var record: PeerRecord {
        var record = PeerRecord(peer: peer, firstSeen: firstSeen, source: source)
        (record.lastSeen, record.lastOK, record.successes, record.rtt) = (lastSeen, lastOK, successes, rtt)
        (record.agent, record.protocols, record.backoff) = (agent, protocols, backoff)
        record.daysSeen = days.reduce(0) { $0 | 1 << UInt32(Self.day(lastSeen) - $1) }
        record.addresses = inDialOrder.compactMap { address in
            addresses[address].map {
                AddressRecord(
                    address: address, firstSeen: $0.firstSeen, lastSeen: $0.lastSeen, lastOK: $0.lastOK,
                    failures: $0.failures, source: $0.source)
            }
        }
        record.failures = failures.sorted {
            $0.key.address == $1.key.address
                ? $0.key.failureClass.rawValue < $1.key.failureClass.rawValue
                : $0.key.address.lexicographicallyPrecedes($1.key.address)
        }.map { place, failure in
            FailureRecord(
                address: place.address.isEmpty ? nil : try? Multiaddr(bytes: place.address[...]),
                failureClass: place.failureClass, count: failure.count, firstAt: failure.firstAt,
                lastAt: failure.lastAt)
        }
        return record
    }

    /// At most 256 bytes, and never half a character's scalar.
    private static func cut(_ text: String) -> String {
        var scalars = Array(text.unicodeScalars)
        while scalars.reduce(0, { $0 + UTF8.width($1) }) > 256 { scalars.removeLast() }
        return scalars.reduce(into: "") { $0.unicodeScalars.append($1) }
    }

    /// The first 128 names, without empty ones and those with a line break, each once, in the order of their bytes.
    private static func tidy(_ names: [String]) -> [String] {
        let kept = names.prefix(128).filter { !$0.utf8.contains(10) && !$0.isEmpty }.map { Array(cut($0).utf8) }
        return Set(kept).sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
    }
}
