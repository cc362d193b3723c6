import KadStore
import Kademlia
import Multiformats

/// Turns a line of the native format into a record. Members may come in any order; unknown ones are passed over.
struct NativeParser {
    let network: Network

    func record(_ text: UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> NativeRecord {
        var fields = NativeFields()
        var reader = JSONReader(text)
        try reader.object { (name, reader) throws(RejectionReason) in try fields.take(name, &reader, network) }
        try reader.finish()
        return try record(fields)
    }

    private func record(_ fields: NativeFields) throws(RejectionReason) -> NativeRecord {
        switch fields.kind {
        case .header: return .header(try fields.header())
        case .peer: return .peer(try fields.peer())
        case .candidate:
            return .candidate(
                Candidate(
                    address: try need(fields.address, "candidate"),
                    firstSeen: try need(fields.firstSeen, "firstSeenMs"),
                    lastSeen: try need(fields.lastSeen, "lastSeenMs"), lastTried: fields.lastTried,
                    tries: try fields.count(fields.tries, "tries"), source: fields.source))
        case .tombstone:
            return .tombstone(
                Tombstone(
                    key: try need(fields.key, "tombstone"), droppedAt: try need(fields.droppedAt, "droppedAtMs"),
                    streakMilli: fields.streakMilli ?? 0, lastClass: fields.failureClass ?? .timeout,
                    notBefore: fields.notBefore, waitMilliseconds: fields.waitMs ?? 0))
        case .identity:
            return .identity(
                number: try need(fields.identity, "identity"), id: try need(fields.id, "id"),
                key: try need(fields.key, "key"), label: fields.label ?? "",
                createdAt: try need(fields.createdAt, "createdAtMs"))
        case .bucket:
            guard let index = fields.bucket, (0..<256).contains(index) else {
                throw .wrongType("bucket", expected: "a number from 0 to 255")
            }
            let bucket = BucketSnapshot(
                index: Int(index), refreshedAt: fields.refreshedAt, live: fields.live,
                replacements: fields.replacements)
            return .bucket(bucket, identity: try need(fields.identity, "identity"))
        case .held:
            return .held(
                OutageGuard.Held(
                    key: try need(fields.key, "held"), group: fields.group,
                    failureClass: try need(fields.failureClass, "class"), at: try need(fields.at, "atMs"),
                    isWitnessed: (fields.witnessed ?? 0) != 0, count: try fields.count(fields.count, "count"),
                    redialledAt: fields.redialledAt))
        case .witnesses: return .witnesses(fields.witnesses, canaryAt: fields.canaryAt)
        case .session:
            return .session(
                OnlineTime.Session(
                    start: try need(fields.startedAt, "session"), end: try need(fields.endedAt, "endedAtMs")))
        case .lookup:
            var summary = LookupSummary(
                identity: fields.identity, finishedAt: try need(fields.finishedAt, "lookup"),
                reason: try need(fields.reason, "reason"), milliseconds: fields.duration ?? 0)
            for (name, path) in LookupSummary.members {
                summary[keyPath: path] = try fields.lookupCount(name.description)
            }
            return .lookup(summary)
        case .lookupTotals:
            var totals = LookupTotals(
                reason: try need(fields.reason, "lookupTotals"), milliseconds: fields.duration ?? 0)
            for (name, path) in LookupTotals.members {
                totals[keyPath: path] = try fields.lookupCount(name.description)
            }
            return .lookupTotals(totals)
        case .footer:
            guard let counts = fields.counts, let hash = fields.sha256 else { throw .missing("sha256") }
            return .footer(counts, sha256: hash)
        case nil: throw .unknownRecord
        }
    }

    private func need<Value>(_ value: Value?, _ name: String) throws(RejectionReason) -> Value {
        guard let value else { throw .missing(name) }
        return value
    }
}

/// The members of a line, of whatever kind it is.
private struct NativeFields {
    enum Kind {
        case header, peer, candidate, tombstone, identity, bucket, held, witnesses, session, lookup, lookupTotals,
            footer
    }

    var kind: Kind?
    var id: PeerID?
    var key: Key?
    var address: Multiaddr?
    var firstSeen, lastSeen, lastOK, lastTried, droppedAt, notBefore, createdAt, refreshedAt: Instant?
    var successes, daysSeen, rtt, rttVariation, tries, streakMilli, waitMs, identity, bucket: Int64?
    var agent, source, label: String?
    var protocols: [String] = []
    var addresses: [AddressRecord] = []
    var failures: [FailureRecord] = []
    var backoff: BackoffState?
    var live: [Contact] = []
    var replacements: [Contact] = []
    var counts: NativeCounts?
    var sha256: [UInt8]?
    // Of what a node remembers beside its peers.
    var group: NetworkGroup?
    var failureClass: FailureClass?
    var at, redialledAt, canaryAt, startedAt, endedAt, finishedAt: Instant?
    var witnessed, count, duration: Int64?
    var witnesses: [OutageGuard.Witness] = []
    var reason: Lookup.FinishReason?
    var lookupCounts: [String: Int64] = [:]
    // Of the header.
    var schema, keyBits: Int64?
    var networkName, scope, derivation, idText: String?
    var clock: ClockMark?

    mutating func take(
        _ name: JSONReader.Text, _ reader: inout JSONReader, _ network: Network
    ) throws(RejectionReason) {
        if try reader.takeNull() { return }
        // The most frequent ones first.
        if name.equals("peer") {
            kind = .peer
            id = try reader.id("peer", network)
        } else if name.equals("key") {
            key = try reader.key("key", network)
        } else if name.equals("firstSeenMs") {
            firstSeen = try reader.instant("firstSeenMs")
        } else if name.equals("lastSeenMs") {
            lastSeen = try reader.instant("lastSeenMs")
        } else if name.equals("lastOkMs") {
            lastOK = try reader.instant("lastOkMs")
        } else if name.equals("addresses") {
            addresses = try reader.list("addresses") { (reader) throws(RejectionReason) in
                try AddressRecord(&reader)
            }
        } else if name.equals("source") {
            source = try reader.string("source")
        } else if name.equals("daysSeen") {
            daysSeen = try reader.number("daysSeen")
        } else if name.equals("successes") {
            successes = try reader.number("successes")
        } else if name.equals("agent") {
            agent = try reader.string("agent")
        } else if name.equals("protocols") {
            protocols = try reader.list("protocols") { (reader) throws(RejectionReason) in
                try reader.string("protocols")
            }
        } else if name.equals("rttUs") {
            rtt = try reader.number("rttUs")
        } else if name.equals("rttVarUs") {
            rttVariation = try reader.number("rttVarUs")
        } else if name.equals("failures") {
            failures = try reader.list("failures") { (reader) throws(RejectionReason) in try FailureRecord(&reader) }
        } else if name.equals("backoff") {
            backoff = try BackoffState(&reader)
        } else {
            try takeOther(name, &reader, network)
        }
    }

    private mutating func takeOther(
        _ name: JSONReader.Text, _ reader: inout JSONReader, _ network: Network
    ) throws(RejectionReason) {
        if name.equals("candidate") {
            kind = .candidate
            address = try reader.address("candidate")
        } else if name.equals("lastTriedMs") {
            lastTried = try reader.instant("lastTriedMs")
        } else if name.equals("tries") {
            tries = try reader.number("tries")
        } else if name.equals("tombstone") {
            kind = .tombstone
            key = try reader.key("tombstone", network)
        } else if name.equals("droppedAtMs") {
            droppedAt = try reader.instant("droppedAtMs")
        } else if name.equals("streakMilli") {
            streakMilli = try reader.number("streakMilli")
        } else if name.equals("notBeforeMs") {
            notBefore = try reader.instant("notBeforeMs")
        } else if name.equals("waitMs") {
            waitMs = try reader.number("waitMs")
        } else if name.equals("identity") {
            kind = kind ?? .identity
            identity = try reader.number("identity")
        } else if name.equals("id") {
            id = try reader.id("id", network)
        } else if name.equals("label") {
            label = try reader.string("label")
        } else if name.equals("createdAtMs") {
            createdAt = try reader.instant("createdAtMs")
        } else if name.equals("bucket") {
            kind = .bucket
            bucket = try reader.number("bucket")
        } else if name.equals("refreshedAtMs") {
            refreshedAt = try reader.instant("refreshedAtMs")
        } else if name.equals("live") {
            live = try reader.list("live") { (reader) throws(RejectionReason) in try Contact(&reader, network) }
        } else if name.equals("replacements") {
            replacements = try reader.list("replacements") { (reader) throws(RejectionReason) in
                try Contact(&reader, network)
            }
        } else if name.equals("end") {
            kind = .footer
            counts = try NativeCounts(&reader)
        } else if name.equals("sha256") {
            sha256 = Hex.decode(try reader.string("sha256"))
        } else {
            try takeEngine(name, &reader, network)
        }
    }

    private mutating func takeEngine(
        _ name: JSONReader.Text, _ reader: inout JSONReader, _ network: Network
    ) throws(RejectionReason) {
        if name.equals("held") {
            kind = .held
            key = try reader.key("held", network)
        } else if name.equals("class") {
            failureClass = try reader.failureClass("class")
        } else if name.equals("atMs") {
            at = try reader.instant("atMs")
        } else if name.equals("group") {
            group = try reader.group("group")
        } else if name.equals("witnessed") {
            witnessed = try reader.number("witnessed")
        } else if name.equals("count") {
            count = try reader.number("count")
        } else if name.equals("redialledAtMs") {
            redialledAt = try reader.instant("redialledAtMs")
        } else if name.equals("witnesses") {
            kind = .witnesses
            witnesses = try reader.list("witnesses") { (reader) throws(RejectionReason) in
                try OutageGuard.Witness(&reader)
            }
        } else if name.equals("canaryAtMs") {
            canaryAt = try reader.instant("canaryAtMs")
        } else if name.equals("session") {
            kind = .session
            startedAt = try reader.instant("session")
        } else if name.equals("endedAtMs") {
            endedAt = try reader.instant("endedAtMs")
        } else if name.equals("lookup") {
            kind = .lookup
            finishedAt = try reader.instant("lookup")
        } else if name.equals("lookupTotals") {
            kind = .lookupTotals
            reason = try reader.lookupReason("lookupTotals")
        } else if name.equals("reason") {
            reason = try reader.lookupReason("reason")
        } else if name.equals("durationMs") {
            duration = try reader.number("durationMs")
        } else if let member = Self.lookupMembers.first(where: { name.equals($0) }) {
            lookupCounts[member.description] = try reader.number(member.description)
        } else {
            try takeHeader(name, &reader)
        }
    }

    private static let lookupMembers = LookupSummary.members.map(\.name) + LookupTotals.members.map(\.name)

    func lookupCount(_ name: String) throws(RejectionReason) -> Int { try count(lookupCounts[name], name) }

    private mutating func takeHeader(_ name: JSONReader.Text, _ reader: inout JSONReader) throws(RejectionReason) {
        if name.equals("kadstore") {
            kind = .header
            try reader.skip()
        } else if name.equals("schema") {
            schema = try reader.number("schema")
        } else if name.equals("network") {
            networkName = try reader.string("network")
        } else if name.equals("scope") {
            scope = try reader.string("scope")
        } else if name.equals("keyDerivation") {
            derivation = try reader.string("keyDerivation")
        } else if name.equals("keyBits") {
            keyBits = try reader.number("keyBits")
        } else if name.equals("idText") {
            idText = try reader.string("idText")
        } else if name.equals("clock") {
            clock = try ClockMark(&reader)
        } else {
            try reader.skip()
        }
    }

    func count(_ value: Int64?, _ name: String) throws(RejectionReason) -> Int {
        guard let value else { return 0 }
        guard let count = Int(exactly: value), count >= 0 else {
            throw .wrongType(name, expected: "a number from 0")
        }
        return count
    }

    func header() throws(RejectionReason) -> NativeHeader {
        guard let schema else { throw .missing("schema") }
        guard (1...NativeHeader.schema).contains(schema) else {
            throw .contradiction("written by a newer kadstore (schema \(schema)): update this one")
        }
        guard let networkName, let derivation, let keyBits, let idText else { throw .missing("network") }
        guard let scope = Scope(rawValue: scope ?? "") else { throw .wrongType("scope", expected: "public or private") }
        guard let derivation = Network.Derivation(rawValue: derivation), let idText = PeerIDEncoding(rawValue: idText),
            let network = try? Network(
                name: networkName, derivation: derivation, keyBits: Int(clamping: keyBits), idEncoding: idText)
        else { throw .wrongType("network", expected: "a network that can be") }
        return NativeHeader(network: network, scope: scope, clock: clock)
    }

    func peer() throws(RejectionReason) -> NativePeer {
        guard let id else { throw .missing("peer") }
        guard let key else { throw .missing("key") }
        guard let firstSeen else { throw .missing("firstSeenMs") }
        guard let lastSeen else { throw .missing("lastSeenMs") }
        guard let daysSeen = UInt32(exactly: daysSeen ?? 0) else {
            throw .wrongType("daysSeen", expected: "a number of 32 bits")
        }
        guard Set(addresses.map(\.address)).count == addresses.count else {
            throw .contradiction("an address stands there twice")
        }
        var peer = NativePeer(id: id, key: key, firstSeen: firstSeen, lastSeen: lastSeen)
        peer.addresses = addresses
        peer.lastOK = lastOK
        peer.successes = try count(successes, "successes")
        if let rtt { peer.rtt = RTTEstimate(smoothed: rtt, variation: rttVariation ?? 0) }
        peer.daysSeen = daysSeen
        peer.agent = agent
        peer.protocols = protocols
        peer.source = source
        peer.failures = failures
        peer.backoff = backoff
        return peer
    }
}
