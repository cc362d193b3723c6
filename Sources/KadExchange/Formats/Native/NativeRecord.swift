import KadStore
import Kademlia
import Multiformats

/// The records of the native format, one a line; the first member tells the kind.
///
///     header     {"kadstore":"peers","schema":2,"network":…,"scope":…,"keyDerivation":…,"keyBits":…,"idText":…,"clock":…}
///     peer       {"peer":<id>,"key":<hex>,"firstSeenMs":…,"lastSeenMs":…,…,"addresses":[…],"failures":[…],"backoff":{…}}
///     candidate  {"candidate":<multiaddr>,"firstSeenMs":…,"lastSeenMs":…,"lastTriedMs":…,"tries":…,"source":…}
///     tombstone  {"tombstone":<key>,"droppedAtMs":…,"streakMilli":…,"class":…,"notBeforeMs":…,"waitMs":…}
///     identity   {"identity":<number>,"id":<id>,"key":<hex>,"label":…,"createdAtMs":…}
///     bucket     {"bucket":<index>,"identity":<number>,"refreshedAtMs":…,"live":[…],"replacements":[…]}
///     held       {"held":<key>,"class":…,"atMs":…,"group":<hex>,"witnessed":…,"count":…,"redialledAtMs":…}
///     witnesses  {"witnesses":[{"group":<hex>,"atMs":…,"sinceMs":…,"spacingUs":…}],"canaryAtMs":…}
///     session    {"session":<startedAtMs>,"endedAtMs":…}
///     lookup     {"lookup":<finishedAtMs>,"reason":…,"identity":<number>,"durationMs":…,"queries":…,"answers":…,…}
///     totals     {"lookupTotals":<reason>,"lookups":…,"durationMs":…,"queries":…,"answers":…,…}
///     footer     {"end":{"peers":…,"candidates":…,"tombstones":…,"identities":…,"buckets":…,"held":…,…},"sha256":<hex>}
///
/// Values, providers and crawls are of no export: what somebody published or keeps is no part of a list of peers.
///
/// Schema 1 had neither of held, witnesses, session, lookup and totals, nor a tombstone's class (timeout where there is none).
///
/// Instants are Unix milliseconds, round-trip times microseconds. What is absent is nothing: no stamp, zero, no text. An id
/// that the network's text cannot express stands as `hex:<digits>`. The footer's hash is of all bytes before its line.
enum NativeRecord {
    case header(NativeHeader)
    case peer(NativePeer)
    case candidate(Candidate)
    case tombstone(Tombstone)
    case identity(number: Int64, id: PeerID, key: Key, label: String, createdAt: Instant)
    case bucket(BucketSnapshot, identity: Int64)
    case held(OutageGuard.Held)
    case witnesses([OutageGuard.Witness], canaryAt: Instant?)
    case session(OnlineTime.Session)
    case lookup(LookupSummary)
    case lookupTotals(LookupTotals)
    case footer(NativeCounts, sha256: [UInt8])
}

/// The first line.
struct NativeHeader: Hashable {
    static let schema: Int64 = 2

    var network: Network
    var scope: Scope
    var clock: ClockMark?
}

/// A peer's line. Not a `PeerRecord`: its key is a claim until it has been computed.
struct NativePeer {
    var id: PeerID
    var key: Key
    var addresses: [AddressRecord] = []
    var firstSeen: Instant
    var lastSeen: Instant
    var lastOK: Instant?
    var successes = 0
    var rtt: RTTEstimate?
    var daysSeen: UInt32 = 0
    var agent: String?
    var protocols: [String] = []
    var source: String?
    var failures: [FailureRecord] = []
    var backoff: BackoffState?

    /// Every field as it is.
    func record(_ peer: Peer) -> PeerRecord {
        var record = PeerRecord(peer: peer, firstSeen: firstSeen, source: source)
        record.addresses = addresses
        record.lastSeen = lastSeen
        record.lastOK = lastOK
        record.successes = successes
        record.rtt = rtt
        record.daysSeen = daysSeen
        record.agent = agent
        record.protocols = protocols
        record.failures = failures
        record.backoff = backoff
        return record
    }

    /// What another store may take of it.
    var foreign: ImportedPeer {
        var peer = ImportedPeer(id: id)
        peer.addresses = addresses.map { entry in
            var address = ImportedPeer.Address(entry.address)
            address.firstSeen = entry.firstSeen
            address.lastSeen = entry.lastSeen
            address.lastOK = entry.lastOK
            address.failures = entry.failures
            return address
        }
        peer.firstSeen = firstSeen
        peer.lastSeen = lastSeen
        peer.lastOK = lastOK
        peer.successes = successes
        peer.rtt = rtt
        peer.daysSeen = daysSeen
        peer.agent = agent
        peer.protocols = protocols
        peer.source = source
        peer.failures = failures
        peer.backoff = backoff
        return peer
    }
}

/// How many records of each kind a file has.
struct NativeCounts: Hashable {
    var peers: Int64 = 0
    var candidates: Int64 = 0
    var tombstones: Int64 = 0
    var identities: Int64 = 0
    var buckets: Int64 = 0
    var held: Int64 = 0
    var sessions: Int64 = 0
    var lookups: Int64 = 0
}

/// Ids as the native format writes them: in the network's text where that reads back, as hexadecimal elsewhere.
enum NativeID {
    private static let mark = Array("hex:".utf8)

    static func append(_ id: PeerID, _ encoding: PeerIDEncoding, to output: inout [UInt8]) {
        guard !reads(id, encoding) else { return encoding.append(id, to: &output) }
        output.append(contentsOf: mark)
        PeerIDEncoding.hex.append(id, to: &output)
    }

    static func decode(
        _ text: UnsafeBufferPointer<UInt8>, _ encoding: PeerIDEncoding
    ) throws(RejectionReason) -> PeerID {
        do throws(PeerIDError) {
            if text.starts(with: mark) {
                return try PeerIDEncoding.hex.decode(utf8: text.part(mark.count..<text.count))
            }
            return try encoding.decode(utf8: text)
        } catch {
            throw .peerID(error)
        }
    }

    /// Whether the id's text stands for the id: so for every id of a network but not for any bytes that a program stored.
    private static func reads(_ id: PeerID, _ encoding: PeerIDEncoding) -> Bool {
        guard encoding == .libp2p else { return true }
        // By far the most ids are Ed25519 keys or SHA-256 hashes of keys.
        if id.bytes.count == 38, id.bytes.starts(with: [0x00, 0x24]) { return true }
        if id.bytes.count == 34, id.bytes.starts(with: [0x12, 0x20]) { return true }
        return (try? encoding.decode(encoding.encode(id))) == id
    }
}
