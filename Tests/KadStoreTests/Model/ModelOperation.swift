import Kademlia
import Multiformats

@testable import KadStore

/// Something done to a store and to the model. A list of them is drawn before anything is run, so that one that fails can be
/// run again without some of them.
enum ModelOperation {
    /// Two stores are open on the file, 0 and 1, as of two processes.
    case record(StoreEvent, store: Int)
    /// All buckets of an identity, at least `depth` after the first: whoever is in them, by the store that runs as it.
    case table(identity: Int64, depth: Int, live: [Contact], waiting: [Contact], refreshedAt: Instant?)
    /// One that no store takes.
    case refused(StoreEvent, store: Int)
    /// Many lookups at once: more than are kept one by one.
    case manyLookups(LookupSummary, count: Int, store: Int)
    case commit(store: Int)
    case flush(store: Int)
    case reopen(store: Int)
    /// Both processes die, as a copy of the files at that moment shows it; the copy is gone on with.
    case crash
    /// The wall clock jumps.
    case clock(Instant)
    case sweep(store: Int)
    case prune(PruneRules, isDryRun: Bool, store: Int)
    case forgive(Key, store: Int)
    case forgiveAll(store: Int)
    case load([ImportedPeer], [Candidate], BulkOptions, store: Int)
    case identity(PeerID, store: Int)
    case beginCrawl(isNew: Bool, store: Int)
    case endCrawl(Int64, isComplete: Bool, store: Int)
    case raisePeerCap(Int64, store: Int)
    case vacuum(store: Int)
    case checkpoint(store: Int)
    case backup(store: Int)
    /// Goes back to one of the backups.
    case restore(Int)
    /// Of a sound file, or of one whose header is gone, which loses no row.
    case salvage(isDamaged: Bool)
    /// Writes every field into a new file, and compares.
    case copy(store: Int)
    case check(store: Int)
    /// Compares all that can be read, with questions drawn by this seed.
    case compare(UInt64)
}

/// Draws operations. All that it draws is from small sets, so that things meet.
struct ModelGenerator {
    private var random: SeededGenerator
    private var now = Instant.seconds(0)
    private let network: Network
    private let peers: [Peer]
    private let addresses = (0..<12).map { Multiaddr.test($0 * 300 + 1) }
    private let values: [[UInt8]] = ["a", "aa", "b", "c/1", "c/2", "d", "e"].map { Array($0.utf8) }
    private static let names = [
        "kubo", "", "go-libp2p/0.38", String(repeating: "long \u{e9}", count: 60), "x\u{1f600}",
    ]
    static let protocols = [
        "/kad/1.0.0", "/ping", "", "/a\nb", String(repeating: "p", count: 300), "/z\u{e9}", "/id/1",
    ]
    static let sources = ["import", "gossip", "12D3KooW", ""]

    init(seed: UInt64, network: Network) {
        random = SeededGenerator(seed: seed)
        self.network = network
        var keys = SeededGenerator(seed: seed ^ 0x5eed)
        // Some alone, some so near to each other that only the last bits tell.
        peers = (0..<36).compactMap { index in
            let cluster = Key(0xabcd_0000_0000_0000, 7, 0, 0)
            let wide =
                index % 3 == 0 ? Key.random(using: &keys) : cluster.prefix(100, followedBy: .random(using: &keys))
            let key = wide.lowerBound(prefix: network.keyBits)
            return PeerID(key.bytes(count: network.keyByteCount)).map { Peer(id: $0, key: key) }
        }
    }

    private mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private mutating func one<Element>(_ list: [Element]) -> Element { list[draw(0...list.count - 1)] }
    private mutating func chance(_ one: Int, of all: Int) -> Bool { draw(1...all) <= one }
    private mutating func some<Element>(_ list: [Element], _ counts: ClosedRange<Int>) -> [Element] {
        (0..<draw(counts)).map { _ in one(list) }
    }

    /// Near the clock's time: late or early by seconds, sometimes by weeks.
    private mutating func moment() -> Instant {
        let spread = chance(1, of: 8) ? 40 * 86_400_000 : chance(1, of: 3) ? 7_200_000 : 3_000
        return Instant(milliseconds: max(1, now.milliseconds + Int64(draw(-spread...spread))))
    }

    mutating func list(count: Int) -> [ModelOperation] { (0..<count).map { _ in operation() } }

    private mutating func operation() -> ModelOperation {
        now = now.advanced(byMilliseconds: Int64(draw(0...2_000)))
        let store = chance(3, of: 4) ? 0 : 1
        let roll = draw(0...379)
        // Mostly events, so that a batch has several.
        if roll < 12 { return table() }
        guard roll >= 320 else { return .record(event(), store: store) }
        switch roll - 180 {
        case 140: return .refused(refusedEvent(), store: store)
        case 141: return chance(1, of: 2) ? .manyLookups(lookup(), count: 1_100, store: store) : .commit(store: store)
        case 142...151: return .commit(store: store)
        case 152...154: return .flush(store: store)
        case 155...157: return .reopen(store: store)
        case 158...160: return .crash
        case 161...164:
            let jumps: [Int64] = [1, 60_000, 86_400_000, 9 * 86_400_000, 40 * 86_400_000, 3 * 365 * 86_400_000]
            let jump = one(jumps) * (chance(1, of: 2) ? 1 : -1)
            now = Instant(milliseconds: max(1_000, now.milliseconds + jump))
            return .clock(now)
        case 165...167: return .sweep(store: store)
        case 168...170: return .prune(rules(), isDryRun: chance(1, of: 3), store: store)
        case 171: return .forgive(one(peers).key, store: store)
        case 172: return .forgiveAll(store: store)
        case 173...176: return load(store: store)
        case 177...178: return .identity(one(Array(peers.prefix(3))).id, store: store)
        case 179, 182: return .beginCrawl(isNew: chance(1, of: 3), store: store)
        case 180: return .endCrawl(Int64(draw(1...3)), isComplete: chance(1, of: 2), store: store)
        case 181: return .raisePeerCap(Int64(draw(60_000...70_000)), store: store)
        case 183: return .vacuum(store: store)
        case 184: return .checkpoint(store: store)
        case 185: return .backup(store: store)
        case 186: return chance(1, of: 2) ? .restore(draw(0...9)) : .salvage(isDamaged: chance(2, of: 3))
        case 187: return .copy(store: store)
        case 188: return .check(store: store)
        default: return .compare(random.next())
        }
    }

    // MARK: Events

    private mutating func event() -> StoreEvent {
        // Half of them of a few, so that much happens to one.
        let peer = chance(1, of: 2) ? one(Array(peers.prefix(6))) : one(peers)
        switch draw(0...99) {
        case 0...19:
            return .heard(
                peer, addresses: heardAddresses(), source: chance(1, of: 4) ? nil : one(Self.sources), at: moment())
        case 20...29:
            return .answered(
                peer, address: chance(1, of: 4) ? nil : one(addresses),
                rtt: chance(1, of: 3) ? nil : Int64(draw(0...900_000)), at: moment())
        case 30...35:
            return .identified(
                peer, agent: chance(1, of: 4) ? nil : one(Self.names), protocols: some(Self.protocols, 0...6),
                at: moment())
        case 36...45:
            return .failed(
                peer, address: chance(1, of: 2) ? nil : one(addresses),
                chance(2, of: 3) ? .timeout : one(FailureClass.allCases), at: moment())
        case 46...50: return .backoff(peer, chance(1, of: 5) ? nil : backoff())
        case 51...56: return .forgotten(peer, leaving: chance(1, of: 2) ? nil : tombstone(peer.key))
        case 57:
            let nobodys = BucketSnapshot(index: 0, refreshedAt: nil, live: [.test(peer.key)], replacements: [])
            return .bucket(nobodys, identity: 9)
        case 58...64:
            return .candidateHeard(one(addresses), source: chance(1, of: 2) ? nil : one(Self.sources), at: moment())
        case 65: return .candidateTried(one(addresses), at: moment())
        case 66: return .candidateForgotten(one(addresses))
        case 67...69:
            return .clock(
                ClockMark(
                    highWater: moment(), onlineMilliseconds: Int64(draw(0...1_000_000)),
                    bootID: chance(1, of: 2) ? nil : "boot \(draw(0...2))", bootedAt: chance(1, of: 2) ? nil : moment(),
                    isCorrection: chance(1, of: 4)))
        case 70...72:
            return .held(
                OutageGuard.Held(
                    key: peer.key, group: chance(1, of: 3) ? nil : .ipv4(UInt32(draw(0...3))),
                    failureClass: one(FailureClass.allCases), at: moment(), isWitnessed: chance(1, of: 2),
                    count: draw(1...4), redialledAt: chance(1, of: 2) ? nil : moment()))
        case 73: return .settled(peer.key)
        case 74...75:
            let witnesses = (0..<draw(0...2)).map { _ in
                OutageGuard.Witness(
                    group: chance(1, of: 2) ? nil : .ipv6(UInt64(draw(0...3))), at: moment(), since: moment(),
                    spacing: chance(1, of: 2) ? .max : Int64(draw(0...99)))
            }
            return .witnesses(witnesses, canaryAt: chance(1, of: 2) ? nil : moment())
        case 76...78:
            let start = moment()
            return .online(from: start, to: start.advanced(byMilliseconds: Int64(draw(0...600_000))))
        case 79: return .lookedUp(lookup())
        case 80...86:
            let (received, expires) = lifetime()
            return .valueStored(
                StoredValue(
                    key: one(values), value: (0..<draw(0...40)).map { _ in UInt8(draw(0...255)) }, receivedAt: received,
                    expiresAt: expires, isOwn: chance(1, of: 6)))
        case 87: return .valueForgotten(one(values))
        case 88...93:
            let (received, expires) = lifetime()
            return .providerStored(
                StoredProvider(
                    key: one(values), peer: peer, addresses: some(addresses, 0...18), receivedAt: received,
                    expiresAt: expires, isOwn: chance(1, of: 8)))
        case 94: return .providerForgotten(one(values), peer: peer.key)
        default:
            let outcome: VisitOutcome =
                chance(1, of: 2) ? .answered : chance(1, of: 2) ? .leftOut : .failed(one(FailureClass.allCases))
            return .visited(peer.key, outcome, at: moment(), crawl: Int64(draw(1...2)))
        }
    }

    private mutating func refusedEvent() -> StoreEvent {
        let peer = one(peers)
        switch draw(0...8) {
        case 0:
            let bucket = BucketSnapshot(
                index: chance(1, of: 2) ? -1 : network.keyBits, refreshedAt: nil, live: [], replacements: [])
            return .bucket(bucket, identity: 1)
        case 1: return .forgotten(peer, leaving: tombstone(peer.key.flippingBit(0)))
        case 2:
            return .held(OutageGuard.Held(key: peer.key, group: nil, failureClass: .timeout, at: now, count: 0))
        case 3:
            let witness = OutageGuard.Witness(group: nil, at: now)
            return .witnesses([witness, witness, witness], canaryAt: nil)
        case 4: return .online(from: now, to: now.advanced(byMilliseconds: -1))
        case 5: return .lookedUp(LookupSummary(finishedAt: now, reason: .complete, queries: -1))
        case 6: return .valueForgotten([])
        case 7: return .providerForgotten([UInt8](repeating: 1, count: 129), peer: peer.key)
        default:
            let value = [UInt8](repeating: 0, count: StoredValue.maximumValueBytes + 1)
            return .valueStored(StoredValue(key: [1], value: value, receivedAt: now, expiresAt: now))
        }
    }

    /// A handful, or more than are kept.
    private mutating func heardAddresses() -> [Multiaddr] {
        guard chance(1, of: 25) else { return some(addresses, 0...4) }
        return (0..<draw(60...70)).map { .test(100_000 + $0) }
    }

    private mutating func lifetime() -> (received: Instant, expires: Instant) {
        let received = moment()
        // Sometimes already over, sometimes longer than anything may live; hardly ever the same as another's.
        let expires =
            chance(1, of: 10)
            ? Instant(milliseconds: .max) : now.advanced(byMilliseconds: Int64(draw(-20_000...900_000_000)))
        return (received, expires)
    }

    private mutating func backoff() -> BackoffState {
        let count = draw(0...32)
        let notBefore = chance(1, of: 3) ? nil : moment()
        return BackoffState(
            streakMilli: Int64(draw(0...9_000)), streakAt: moment(), lastClass: one(FailureClass.allCases),
            notBefore: notBefore, waitMilliseconds: notBefore == nil ? 0 : Int64(draw(0...100_000)),
            outcomes: chance(1, of: 2) ? (1 << UInt32(draw(0...8))) - 1 : UInt32.random(in: 0 ... .max, using: &random),
            outcomeCount: count, breaker: one(BackoffState.Breaker.allCases), openings: draw(0...4),
            openedAt: chance(1, of: 2) ? nil : moment(), trials: draw(0...2))
    }

    /// Where a tombstone is just kept or just not.
    private mutating func aboutAWeekAgo() -> Instant {
        now.advanced(byMilliseconds: -7 * 86_400_000 + Int64(draw(-3_600_000...3_600_000)))
    }

    private mutating func tombstone(_ key: Key) -> Tombstone {
        let notBefore = chance(1, of: 3) ? nil : moment()
        return Tombstone(
            key: key, droppedAt: chance(1, of: 3) ? aboutAWeekAgo() : moment(), streakMilli: Int64(draw(0...9_000)),
            lastClass: one(FailureClass.allCases),
            notBefore: notBefore, waitMilliseconds: notBefore == nil ? 0 : Int64(draw(0...90_000)))
    }

    private mutating func table() -> ModelOperation {
        func contacts(_ generator: inout Self) -> [Contact] {
            generator.some(generator.peers, 0...6).map { peer in
                Contact(
                    key: peer.key,
                    networkGroup: generator.chance(1, of: 2) ? nil : .ipv4(UInt32(generator.draw(0...3))),
                    firstSeen: generator.moment(), lastSeen: generator.moment(),
                    lastOK: generator.chance(1, of: 2) ? nil : generator.moment(),
                    isVerified: generator.chance(1, of: 2),
                    consecutiveFailures: generator.draw(0...3))
            }
        }
        return .table(
            identity: Int64(draw(1...3)), depth: draw(0...3), live: contacts(&self), waiting: contacts(&self),
            refreshedAt: chance(1, of: 2) ? nil : moment())
    }

    private mutating func lookup() -> LookupSummary {
        LookupSummary(
            identity: chance(1, of: 2) ? nil : Int64(draw(1...4)), finishedAt: moment(),
            reason: one(Lookup.FinishReason.allCases), milliseconds: Int64(draw(0...9_000)), queries: draw(0...90),
            answers: draw(0...90), failures: draw(0...90), timeouts: draw(0...90), skipped: draw(0...90),
            slow: draw(0...9), refills: draw(0...9), hops: draw(0...9), offered: draw(0...90), entered: draw(0...90),
            distances: draw(0...900), peakFrontier: draw(0...90))
    }

    // MARK: The rest

    private mutating func rules() -> PruneRules {
        var rules = PruneRules()
        let conditions: [PruneRules.Condition] = [
            .matches(Self.filter(&random, peers.map(\.key), now)), .notSeen(since: moment()), .neverAnswered,
            .failing(times: draw(1...4)), .unroutable,
        ]
        rules.conditions = some(conditions, 0...2)
        if chance(1, of: 2) { rules.keep = draw(0...20) }
        if chance(1, of: 3) { rules.candidatesNotSeenSince = moment() }
        if chance(1, of: 3) { rules.tombstonesBefore = moment() }
        if chance(1, of: 3) { rules.expiredBy = moment() }
        if rules.isEmpty { rules.conditions = [.neverAnswered] }
        return rules
    }

    private mutating func load(store: Int) -> ModelOperation {
        var options = BulkOptions(now: now)
        (options.trustsHistory, options.isDryRun) = (chance(1, of: 2), chance(1, of: 4))
        let foreign = some(peers, 0...12).map { imported($0.id) }
        let candidates = some(addresses, 0...4).map { address in
            let seen = chance(1, of: 3) ? now : moment()
            return Candidate(
                address: address, firstSeen: chance(1, of: 2) ? seen : moment(), lastSeen: seen,
                lastTried: chance(1, of: 2) ? nil : moment(), tries: draw(0...5), source: one(Self.sources))
        }
        return .load(foreign, candidates, options, store: store)
    }

    private mutating func imported(_ id: PeerID) -> ImportedPeer {
        var peer = ImportedPeer(id: id, source: chance(1, of: 3) ? nil : one(Self.sources))
        peer.addresses = some(addresses, 0...4).map { address in
            var entry = ImportedPeer.Address(address)
            entry.firstSeen = chance(1, of: 2) ? nil : moment()
            entry.lastSeen = chance(1, of: 2) ? nil : moment()
            entry.lastOK = chance(1, of: 2) ? nil : moment()
            entry.failures = draw(0...3)
            return entry
        }
        peer.firstSeen = chance(1, of: 2) ? nil : moment()
        peer.lastSeen = chance(1, of: 2) ? nil : moment()
        peer.lastOK = chance(1, of: 2) ? nil : moment()
        peer.successes = draw(0...9)
        peer.rtt =
            chance(1, of: 2) ? nil : RTTEstimate(smoothed: Int64(draw(0...9_000)), variation: Int64(draw(0...900)))
        peer.daysSeen = chance(1, of: 2) ? 0 : UInt32.random(in: 0 ... .max, using: &random)
        peer.agent = chance(1, of: 2) ? nil : one(Self.names)
        peer.protocols = some(Self.protocols, 0...3)
        peer.failures = some(FailureClass.allCases, 0...2).map { failureClass in
            let first = moment()
            return FailureRecord(
                address: chance(1, of: 2) ? nil : one(addresses), failureClass: failureClass, count: draw(1...9),
                firstAt: first, lastAt: first.advanced(byMilliseconds: Int64(draw(0...9_000))))
        }
        return peer
    }

    /// A filter of any kind.
    static func filter(
        _ random: inout SeededGenerator, _ keys: [Key], _ now: Instant, depth: Int = 0
    ) -> PeerFilter {
        func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        let then = now.advanced(byMilliseconds: Int64(draw(-86_400_000...86_400_000)))
        switch draw(depth > 2 ? 3...14 : 0...14) {
        case 0: return .not(filter(&random, keys, now, depth: depth + 1))
        case 1: return .every((0..<draw(0...3)).map { _ in filter(&random, keys, now, depth: depth + 1) })
        case 2: return .any((0..<draw(0...3)).map { _ in filter(&random, keys, now, depth: depth + 1) })
        case 3: return .seen(since: then)
        case 4: return .answered(since: then)
        case 5: return .everAnswered
        case 6: return .dialable(at: then)
        case 7: return .standing(PeerRecord.Standing.allCases[draw(0...2)])
        case 8: return .breaker(BackoffState.Breaker.allCases[draw(0...2)])
        case 9: return .hasAddress
        case 10:
            let address = Multiaddr.test(draw(0...11) * 300 + 1)
            return address.networkGroup(private: draw(0...1) == 0).map { .inGroup($0) } ?? .all
        case 11: return .agent(containing: ["kubo", "libp2p", "\u{e9}"][draw(0...2)])
        case 12: return .speaks(Self.protocols[draw(0...Self.protocols.count - 1)])
        case 13: return .source(sources[draw(0...sources.count - 1)])
        default:
            guard draw(0...1) == 0 else { return .excluding(Set(keys.prefix(draw(0...9)))) }
            return .sharesPrefix(draw(0...120), with: keys[draw(0...keys.count - 1)])
        }
    }
}
