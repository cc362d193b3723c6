import KadStore
import Kademlia
import Multiformats

// The objects inside a record's line. Like the line itself, their members come in any order, unknown ones are passed over.

extension AddressRecord {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var address: Multiaddr?
        var first: Instant?
        var last: Instant?
        var ok: Instant?
        var failures: Int64 = 0
        var source: String?
        try reader.members("addresses") { (name, reader) throws(RejectionReason) in
            if name.equals("address") {
                address = try reader.address("address")
            } else if name.equals("firstSeenMs") {
                first = try reader.instant("firstSeenMs")
            } else if name.equals("lastSeenMs") {
                last = try reader.instant("lastSeenMs")
            } else if name.equals("lastOkMs") {
                ok = try reader.instant("lastOkMs")
            } else if name.equals("failures") {
                failures = try reader.count("failures")
            } else if name.equals("source") {
                source = try reader.string("source")
            } else {
                try reader.skip()
            }
        }
        guard let address else { throw .missing("address") }
        guard let first else { throw .missing("firstSeenMs") }
        guard let last else { throw .missing("lastSeenMs") }
        self.init(
            address: address, firstSeen: first, lastSeen: last, lastOK: ok, failures: Int(clamping: failures),
            source: source)
    }
}

extension FailureRecord {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var address: Multiaddr?
        var failureClass: FailureClass?
        var count: Int64 = 0
        var first: Instant?
        var last: Instant?
        try reader.members("failures") { (name, reader) throws(RejectionReason) in
            if name.equals("address") {
                address = try reader.address("address")
            } else if name.equals("class") {
                failureClass = try reader.failureClass("class")
            } else if name.equals("count") {
                count = try reader.count("count")
            } else if name.equals("firstAtMs") {
                first = try reader.instant("firstAtMs")
            } else if name.equals("lastAtMs") {
                last = try reader.instant("lastAtMs")
            } else {
                try reader.skip()
            }
        }
        guard let failureClass else { throw .missing("class") }
        guard count > 0 else { throw .wrongType("count", expected: "a number from 1") }
        guard let first else { throw .missing("firstAtMs") }
        guard let last else { throw .missing("lastAtMs") }
        self.init(
            address: address, failureClass: failureClass, count: Int(clamping: count), firstAt: first, lastAt: last)
    }
}

extension BackoffState {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var streakMilli: Int64 = 0
        var streakAt: Instant?
        var failureClass: FailureClass?
        var state = BackoffState(streakMilli: 0, streakAt: Instant(milliseconds: 0), lastClass: .timeout)
        try reader.members("backoff") { (name, reader) throws(RejectionReason) in
            if name.equals("streakMilli") {
                streakMilli = try reader.number("streakMilli")
            } else if name.equals("streakAtMs") {
                streakAt = try reader.instant("streakAtMs")
            } else if name.equals("class") {
                failureClass = try reader.failureClass("class")
            } else if name.equals("notBeforeMs") {
                state.notBefore = try reader.instant("notBeforeMs")
            } else if name.equals("waitMs") {
                state.waitMilliseconds = try reader.number("waitMs")
            } else if name.equals("outcomes") {
                guard let outcomes = UInt32(exactly: try reader.number("outcomes")) else {
                    throw .wrongType("outcomes", expected: "a number of 32 bits")
                }
                state.outcomes = outcomes
            } else if name.equals("outcomeCount") {
                state.outcomeCount = Int(clamping: try reader.count("outcomeCount"))
            } else if name.equals("breaker") {
                let value = UInt8(exactly: try reader.number("breaker"))
                guard let breaker = value.flatMap(Breaker.init(rawValue:)) else {
                    throw .wrongType("breaker", expected: "0, 1 or 2")
                }
                state.breaker = breaker
            } else if name.equals("openings") {
                state.openings = Int(clamping: try reader.count("openings"))
            } else if name.equals("openedAtMs") {
                state.openedAt = try reader.instant("openedAtMs")
            } else if name.equals("trials") {
                state.trials = Int(clamping: try reader.count("trials"))
            } else {
                try reader.skip()
            }
        }
        guard let streakAt else { throw .missing("streakAtMs") }
        guard let failureClass else { throw .missing("class") }
        state.streakMilli = streakMilli
        state.streakAt = streakAt
        state.lastClass = failureClass
        // A length without an end is none, and is not written either.
        if state.notBefore == nil { state.waitMilliseconds = 0 }
        self = state
    }
}

extension Contact {
    init(_ reader: inout JSONReader, _ network: Network) throws(RejectionReason) {
        var key: Key?
        var group: NetworkGroup?
        var first: Instant?
        var last: Instant?
        var ok: Instant?
        var isVerified = false
        var failures: Int64 = 0
        try reader.members("live") { (name, reader) throws(RejectionReason) in
            if name.equals("key") {
                key = try reader.key("key", network)
            } else if name.equals("group") {
                group = try reader.group("group")
            } else if name.equals("firstSeenMs") {
                first = try reader.instant("firstSeenMs")
            } else if name.equals("lastSeenMs") {
                last = try reader.instant("lastSeenMs")
            } else if name.equals("lastOkMs") {
                ok = try reader.instant("lastOkMs")
            } else if name.equals("verified") {
                isVerified = try reader.number("verified") != 0
            } else if name.equals("failures") {
                failures = try reader.count("failures")
            } else {
                try reader.skip()
            }
        }
        guard let key else { throw .missing("key") }
        guard let first else { throw .missing("firstSeenMs") }
        guard let last else { throw .missing("lastSeenMs") }
        self.init(
            key: key, networkGroup: group, firstSeen: first, lastSeen: last, lastOK: ok, isVerified: isVerified,
            consecutiveFailures: Int(clamping: failures))
    }
}

extension OutageGuard.Witness {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var group: NetworkGroup?
        var at: Instant?
        var since: Instant?
        var spacing = Int64.max
        try reader.members("witnesses") { (name, reader) throws(RejectionReason) in
            if name.equals("group") {
                group = try reader.group("group")
            } else if name.equals("atMs") {
                at = try reader.instant("atMs")
            } else if name.equals("sinceMs") {
                since = try reader.instant("sinceMs")
            } else if name.equals("spacingUs") {
                spacing = try reader.number("spacingUs")
            } else {
                try reader.skip()
            }
        }
        guard let at else { throw .missing("atMs") }
        self.init(group: group, at: at, since: since, spacing: spacing)
    }
}

extension ClockMark {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var highWater: Instant?
        var online: Int64 = 0
        var bootID: String?
        var bootedAt: Instant?
        try reader.members("clock") { (name, reader) throws(RejectionReason) in
            if name.equals("highWaterMs") {
                highWater = try reader.instant("highWaterMs")
            } else if name.equals("onlineMs") {
                online = try reader.number("onlineMs")
            } else if name.equals("bootId") {
                bootID = try reader.string("bootId")
            } else if name.equals("bootedAtMs") {
                bootedAt = try reader.instant("bootedAtMs")
            } else {
                try reader.skip()
            }
        }
        guard let highWater else { throw .missing("highWaterMs") }
        self.init(highWater: highWater, onlineMilliseconds: online, bootID: bootID, bootedAt: bootedAt)
    }
}

extension NativeCounts {
    init(_ reader: inout JSONReader) throws(RejectionReason) {
        var counts = NativeCounts()
        try reader.members("end") { (name, reader) throws(RejectionReason) in
            if name.equals("peers") {
                counts.peers = try reader.count("peers")
            } else if name.equals("candidates") {
                counts.candidates = try reader.count("candidates")
            } else if name.equals("tombstones") {
                counts.tombstones = try reader.count("tombstones")
            } else if name.equals("identities") {
                counts.identities = try reader.count("identities")
            } else if name.equals("buckets") {
                counts.buckets = try reader.count("buckets")
            } else if name.equals("held") {
                counts.held = try reader.count("held")
            } else if name.equals("sessions") {
                counts.sessions = try reader.count("sessions")
            } else if name.equals("lookups") {
                counts.lookups = try reader.count("lookups")
            } else {
                try reader.skip()
            }
        }
        self = counts
    }
}
