/// Tells a dead peer from a dead uplink: hold and settle.
///
/// A failure is provisional until there is evidence that our own link was up around it. A soft streak holds the peer back
/// at once (``BackoffState/soften(_:held:at:policy:using:)``), so nothing is hammered; what is written against it for good
/// waits for one of two judgements:
///
/// 1. **By traffic.** Peers of another network group answered at most a minute before the failure and at most a minute
///    after it, and between them the answers never fell silent, from before the call can have begun. Silence is what a
///    link that flaps leaves behind: with the minute alone, each peer that was asked in a gap of 20 seconds would be
///    charged. What counts as silence is measured: six times the usual spacing of the answers.
/// 2. **By redial**, for what traffic did not settle within its minute: at most once a minute a canary is asked, a
///    recently good peer of another group. When it answers, up to 32 of the held are dialled again, and a canary each
///    second meanwhile; one that fails again is charged when another answer follows, without a silence in between. So a node that hardly talks still
///    learns who is dead, and no dial is wasted on a dead link.
///
/// A peer that answers is no longer held: whatever went wrong passed. A single failure of a peer that lives is worth
/// little, and of the ones that fail often, traffic settles most before they answer again.
///
/// Misbehaviour is charged at once: it came with an answer, so the link was up, and an answer does not disprove it.
///
/// A value without a clock: each event is told with its (logical) time, and answered with directives.
public struct OutageGuard: Hashable, Sendable {
    public struct Configuration: Hashable, Sendable {
        /// How near an answer from elsewhere must be to a failure, before and after it.
        public var windowMilliseconds: Int64 = FailurePolicy.minute
        /// Two answers further apart than so many times their usual spacing have a silence between them. Of answers that
        /// come at random, one spacing in 400 is as long: the failures of those ten seconds are settled by redial.
        public var silenceFactor: Int64 = 6
        /// No spacing is a silence up to this: lookups come in bursts, and transports repeat what got lost so quickly.
        public var minimumSilenceMilliseconds: Int64 = 1_000
        /// Every spacing beyond this is one. Less than the deadline of a call: a link that is down for as long as calls take
        /// must leave a silence, also on a node that hears little. Who hears less learns by redial.
        public var silenceMilliseconds: Int64 = 4_000
        /// The longest that a call takes: a failure may have begun this long before it was noticed.
        public var callMilliseconds: Int64 = 10_000
        /// From one round of redials to the next.
        public var roundIntervalMilliseconds: Int64 = FailurePolicy.minute
        /// The same after a round in which most answered: then it was our own outage, and everybody else who is held waits
        /// for nothing. 3.2 s: 32 redials at ten a second, the pace of a warm start. An outage of an hour that holds 700
        /// peers is undone in a few minutes instead of 22.
        public var hastyIntervalMilliseconds: Int64 = 3_200
        /// Redials in a round.
        public var redialsPerRound: Int = 32
        /// During a round, how long after the last answer from anybody a canary is asked again. A second: a redial takes up
        /// to five, and a link that breaks just after the first canary must not go unnoticed for as long. Traffic saves it.
        public var beatMilliseconds: Int64 = 1_000
        /// A round that is not over by then is void.
        public var roundMilliseconds: Int64 = 30_000
        /// Held failures; beyond them the oldest are discarded. 4,096 are half a megabyte.
        public var capacity: Int = 4_096

        public init() {}
    }

    /// A provisional failure.
    public struct Held: Hashable, Sendable {
        public var key: Key
        public var group: NetworkGroup?
        public var failureClass: FailureClass
        /// When it failed: the latest time with the link known to be up before, or else the first.
        public var at: Instant
        /// Whether the link was known to be up before it.
        public var isWitnessed: Bool
        /// How often it has failed since it is held. They are charged as one.
        public var count: Int
        /// When it was last picked to be dialled again.
        public var redialledAt: Instant?

        public init(
            key: Key, group: NetworkGroup?, failureClass: FailureClass, at: Instant, isWitnessed: Bool = false,
            count: Int = 1, redialledAt: Instant? = nil
        ) {
            self.key = key
            self.group = group
            self.failureClass = failureClass
            self.at = at
            self.isWitnessed = isWitnessed
            self.count = count
            self.redialledAt = redialledAt
        }
    }

    /// An answer that shows that the link is up.
    public struct Witness: Hashable, Sendable {
        public var group: NetworkGroup?
        public var at: Instant
        /// When the row of answers without a silence began that this one ends.
        public var since: Instant
        /// The usual time between two answers, in microseconds: a moving average with a gain of 1/8. A silence does not
        /// end it, unless it is so long that nothing is usual any more.
        public var spacing: Int64

        public init(group: NetworkGroup?, at: Instant, since: Instant? = nil, spacing: Int64 = .max) {
            self.group = group
            self.at = at
            self.since = since ?? at
            self.spacing = spacing
        }
    }

    /// What the shell has to do.
    public enum Directive: Hashable, Sendable {
        /// The failure is held, or what is known of it changed: persist it.
        case held(Held)
        /// The failure is the peer's own: charge it once (``BackoffState/count(_:at:policy:using:)``), and delete what was
        /// held of it.
        case counted(Held)
        /// The failure says nothing: delete what was held of it. The peer's wait stands.
        case discarded(Held)
        /// Ask a recently good peer of none of these groups. Report its answer as every answer, then
        /// ``canary(answered:at:)``; false as well when there is no such peer.
        case canary(notIn: Set<NetworkGroup>)
        /// Dial these again, whatever their waits; report the outcomes as of every call.
        case redial([Key])
        /// ``witnesses`` or ``canaryAt`` changed: persist both. The latest of several is enough.
        case changedWitnesses
    }

    public let configuration: Configuration
    /// Sorted by key.
    public internal(set) var held: [Held] = []
    /// The latest answer, and the latest from another group: for every group, one of them is from elsewhere.
    public internal(set) var witnesses: [Witness] = []
    /// When a round of redials last began; dated back where the next one need not wait its minute.
    public internal(set) var canaryAt: Instant?

    /// Redials that are under way. Not persisted: calls do not survive a restart either.
    var round: Round?
    /// No witnessed failure is later: tells at a glance that an answer settles nothing.
    var lastWitnessed: Instant?

    /// The guard as it was persisted.
    public init(
        configuration: Configuration = .init(), held: [Held] = [], witnesses: [Witness] = [], canaryAt: Instant? = nil
    ) {
        self.configuration = configuration
        self.canaryAt = canaryAt
        for witness in witnesses.sorted(by: { $0.at > $1.at }) where self.witnesses.count < 2 {
            if Self.isElsewhere(witness.group, self.witnesses.first?.group) || self.witnesses.isEmpty {
                self.witnesses.append(witness)
            }
        }
        let newest = held.sorted { ($1.at, $1.key) < ($0.at, $0.key) }
        var keys: Set<Key> = []
        for failure in newest where keys.count < configuration.capacity && keys.insert(failure.key).inserted {
            self.held.append(failure)
        }
        self.held.sort { $0.key < $1.key }
        lastWitnessed = self.held.lazy.filter(\.isWitnessed).map(\.at).max()
    }

    /// Whether two peers are in different parts of the network. Without a known group, each is a group of its own.
    static func isElsewhere(_ one: NetworkGroup?, _ other: NetworkGroup?) -> Bool { one == nil || one != other }

    /// What is held of a peer.
    /// - Complexity: O(log n)
    public subscript(key: Key) -> Held? { index(of: key).map { held[$0] } }

    func index(of key: Key) -> Int? {
        let index = insertionIndex(of: key)
        return index < held.count && held[index].key == key ? index : nil
    }

    func insertionIndex(of key: Key) -> Int {
        var low = 0
        var high = held.count
        while low < high {
            let middle = (low + high) / 2
            if held[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
