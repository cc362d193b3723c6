import KadStore
import Kademlia
import Multiformats

/// How peers look: on one line of a list, with everything, and as JSON.
struct PeerView {
    let network: Network
    let terminal: Terminal
    let now: Instant

    func id(_ id: PeerID) -> String { network.idEncoding.encode(id) }

    func key(_ key: Key) -> String { key.hex(byteCount: network.keyByteCount) }

    /// Digits of a key that name a peer in a store of any likely size; `peers` takes them in place of an id.
    static let shortKeyBytes = 5

    func shortKey(_ key: Key) -> String { key.hex(byteCount: Self.shortKeyBytes) }

    /// Whether keys and ids look the same.
    var keysAreIDs: Bool { network.derivation == .identity && network.idEncoding == .hex }

    func when(_ instant: Instant?) -> String { instant.map { Span.text($0, from: now) } ?? "never" }

    /// A point in time both ways.
    func date(_ instant: Instant?) -> String {
        guard let instant else { return "never" }
        return "\(UTC.text(instant)) (\(Span.text(instant, from: now)))"
    }

    /// The address to dial first, and how many more there are.
    func addresses(_ addresses: some Sequence<Multiaddr>) -> String {
        var first: String?
        var more = 0
        for address in addresses {
            if first == nil { first = terminal.safe(address.description) } else { more += 1 }
        }
        return (first ?? "-") + (more > 0 ? " +\(more)" : "")
    }

    func ink(_ standing: PeerRecord.Standing) -> Ink {
        switch standing {
        case .answered: .green
        case .unverified: .plain
        case .failing: .red
        }
    }
}

extension PeerView {
    var listColumns: [TextTable.Column] {
        let key = keysAreIDs ? [] : [TextTable.Column(title: "KEY")]
        return key + [
            .init(title: "PEER", minimum: 14, cut: .middle),
            .init(title: "STANDING"),
            .init(title: "ANSWERED", alignment: .right),
            .init(title: "SEEN", alignment: .right, isOptional: true),
            .init(title: "RTT", alignment: .right, isOptional: true),
            .init(title: "FAILED", alignment: .right, isOptional: true),
            .init(title: "ADDRESS", minimum: 16, isOptional: true),
            .init(title: "AGENT", minimum: 8, isOptional: true),
        ]
    }

    func listRow(_ record: PeerRecord) -> [TextTable.Cell] {
        let key = keysAreIDs ? [] : [TextTable.Cell(shortKey(record.key), .cyan)]
        return key + [
            .init(id(record.id)),
            .init(record.standing.rawValue, ink(record.standing)),
            .init(when(record.lastOK), record.lastOK == nil ? .dim : .plain),
            .init(when(record.lastSeen)),
            .init(record.rtt.map { terminal.microseconds($0.smoothed) } ?? "-"),
            .init(record.failures.isEmpty ? "-" : "\(terminal.count(record.failureCount))"),
            .init(addresses(record.addresses.lazy.map(\.address))),
            .init(record.agent.map(terminal.safe) ?? "-"),
        ]
    }
}

extension PeerView {
    /// The shape of ``json(_:)``, for the help of the commands that print it.
    static let jsonShape = """
        peer = {id: text, key: text, standing: "answered" or "unverified" or "failing", firstSeenMs, lastSeenMs, \
        lastOkMs or null, successes, rttUs or null, rttVarUs or null, daysSeen (bit i: seen i days before the last day), \
        agent: text or null, protocols: [text], source: text or null, addresses: [{address: text, firstSeenMs, \
        lastSeenMs, lastOkMs or null, failures, source: text or null}], failures: [{address: text or null, class: text, \
        count, firstAtMs, lastAtMs}], backoff: {notBeforeMs or null, waitMs, remainingMs, streakMilli, streakAtMs, \
        lastClass: text, breaker: "closed" or "open" or "half-open", openings, openedAtMs or null, trials, outcomes: \
        text (+ and -, the oldest first)} or null}
        """

    /// A peer with all its history.
    func json(_ record: PeerRecord) -> JSON {
        .object([
            "id": .string(id(record.id)), "key": .string(key(record.key)),
            "standing": .string(record.standing.rawValue), "firstSeenMs": .int(record.firstSeen.milliseconds),
            "lastSeenMs": .int(record.lastSeen.milliseconds), "lastOkMs": .optional(record.lastOK?.milliseconds),
            "successes": .int(record.successes), "rttUs": .optional(record.rtt?.smoothed),
            "rttVarUs": .optional(record.rtt?.variation), "daysSeen": .int(Int64(record.daysSeen)),
            "agent": .optional(record.agent), "protocols": .strings(record.protocols),
            "source": .optional(record.source), "addresses": .array(record.addresses.map(json)),
            "failures": .array(record.failures.map(json)), "backoff": record.backoff.map(json) ?? .null,
        ])
    }

    private func json(_ address: AddressRecord) -> JSON {
        .object([
            "address": .string(address.address.description), "firstSeenMs": .int(address.firstSeen.milliseconds),
            "lastSeenMs": .int(address.lastSeen.milliseconds), "lastOkMs": .optional(address.lastOK?.milliseconds),
            "failures": .int(address.failures), "source": .optional(address.source),
        ])
    }

    private func json(_ failure: FailureRecord) -> JSON {
        .object([
            "address": .optional(failure.address?.description), "class": .string(failure.failureClass.name),
            "count": .int(failure.count), "firstAtMs": .int(failure.firstAt.milliseconds),
            "lastAtMs": .int(failure.lastAt.milliseconds),
        ])
    }

    private func json(_ backoff: BackoffState) -> JSON {
        .object([
            "notBeforeMs": .optional(backoff.notBefore?.milliseconds), "waitMs": .int(backoff.waitMilliseconds),
            "remainingMs": .int(backoff.remaining(at: now)), "streakMilli": .int(backoff.streakMilli),
            "streakAtMs": .int(backoff.streakAt.milliseconds), "lastClass": .string(backoff.lastClass.name),
            "breaker": .string(backoff.breaker.name), "openings": .int(backoff.openings),
            "openedAtMs": .optional(backoff.openedAt?.milliseconds), "trials": .int(backoff.trials),
            "outcomes": .string(backoff.outcomeText(success: "+", failure: "-")),
        ])
    }
}

extension BackoffState.Breaker {
    /// For people and in JSON.
    var name: String {
        switch self {
        case .closed: "closed"
        case .open: "open"
        case .halfOpen: "half-open"
        }
    }
}

extension BackoffState {
    /// The remembered outcomes, the oldest first.
    func outcomeText(success: String, failure: String) -> String {
        (0..<min(max(0, outcomeCount), 32)).reversed().map { outcomes >> UInt32($0) & 1 == 1 ? failure : success }
            .joined()
    }
}
