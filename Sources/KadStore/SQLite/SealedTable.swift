/// The tables whose rows carry seals. Numbers and the order of columns are part of every seal: neither ever changes, and
/// columns of later schemas come last.
///
/// Rows of the other tables need none: a check compares them with what they are made of (`migration`, `tally`, `holding`,
/// `crawl_total`), a running node writes them anew all the time (`writer`, `witness`, `canary`), or nothing is decided by
/// them (`lookup_summary`, `lookup_total`, `crawl`).
enum SealedTable: UInt8, CaseIterable, Sendable {
    case network = 1
    case clock = 2
    case agent = 3
    case protocolSet = 4
    case source = 5
    case peer = 6
    case failure = 7
    case backoff = 8
    case candidate = 9
    case tombstone = 10
    case identity = 11
    case bucket = 12
    case member = 13
    case held = 14
    case session = 15
    case value = 16
    case provider = 17
    case visit = 18

    /// As the schema calls it.
    var name: String {
        switch self {
        case .protocolSet: "protocol_set"
        default: "\(self)"
        }
    }

    /// Every column but the seal, in the order that seals count them in.
    var columns: [String] {
        switch self {
        case .network:
            ["singleton", "name", "scope", "derivation", "key_bits", "id_text", "created_at", "peer_cap", "salt"]
        case .clock: ["singleton", "high_water", "online_ms", "boot_id", "boot_at"]
        case .agent, .source: ["id", "name"]
        case .protocolSet: ["id", "names"]
        case .peer:
            [
                "key", "id", "addresses", "first_seen", "last_seen", "last_ok", "not_before", "wait_ms", "rtt_us",
                "rtt_var_us", "successes", "days_seen", "agent", "protocols", "source",
            ]
        case .failure: ["key", "address", "class", "count", "first_at", "last_at"]
        case .backoff:
            [
                "key", "streak_milli", "streak_at", "class", "outcomes", "outcome_count", "breaker", "openings",
                "opened_at", "trials",
            ]
        case .candidate: ["address", "first_seen", "last_seen", "last_tried", "tries", "source"]
        case .tombstone: ["key", "dropped_at", "streak_milli", "not_before", "wait_ms", "class"]
        case .identity: ["number", "id", "key", "label", "created_at"]
        case .bucket: ["identity", "prefix", "refreshed_at"]
        case .member:
            [
                "identity", "prefix", "role", "position", "key", "network_group", "first_seen", "last_seen", "last_ok",
                "verified", "failures",
            ]
        case .held: ["key", "network_group", "class", "at", "witnessed", "count", "redialled_at"]
        case .session: ["started_at", "ended_at"]
        case .value: ["number", "key", "received_at", "expires_at", "is_own", "bytes"]
        case .provider: ["key", "peer", "id", "addresses", "received_at", "expires_at", "is_own"]
        case .visit: ["key", "outcome", "at"]
        }
    }

    /// The columns that a row is found by, in the order that the table has them in.
    var primaryKey: [String] {
        switch self {
        case .network, .clock, .agent, .protocolSet, .source, .peer, .backoff, .candidate, .tombstone, .identity,
            .held, .session, .value, .visit:
            Array(columns.prefix(1))
        case .bucket, .provider: Array(columns.prefix(2))
        case .failure: Array(columns.prefix(3))
        case .member: Array(columns.prefix(4))
        }
    }

    /// How many columns are sealed: where, from 0, the seal stands in a row that is read whole.
    var columnCount: Int32 {
        switch self {
        case .agent, .protocolSet, .source, .session: 2
        case .bucket, .visit: 3
        case .clock, .identity: 5
        case .failure, .candidate, .tombstone, .value: 6
        case .held, .provider: 7
        case .network: 9
        case .backoff: 10
        case .member: 11
        case .peer: 15
        }
    }
}
