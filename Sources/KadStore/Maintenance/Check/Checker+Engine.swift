import Kademlia

/// The stored routing tables, and what a running node remembers beside its peers.
extension Checker {
    /// The stored routing tables, by the checker that the table itself uses.
    mutating func checkTables() throws {
        let identities = try reader.identities()
        let rows = try connection.integer("SELECT count(*) FROM identity")
        if rows > identities.count { report.note("identity", "\(rows - Int64(identities.count)) cannot be read") }
        for identity in identities {
            if (try? reader.network.key(of: identity.peer.id)) != identity.peer.key {
                report.note("identity", identity.peer.key, "its key is not the key of its id")
            }
            let buckets: [BucketSnapshot]
            do {
                buckets = try reader.buckets(of: identity.number)
            } catch StoreError.corrupt(_, let detail) {
                report.note("member", "identity \(identity.number): \(detail)")
                continue
            }
            let restored = RoutingTable.restored(
                from: buckets, localKey: identity.peer.key, configuration: Self.wideConfiguration(reader.network))
            report.contactsChecked += restored.table.count + restored.table.replacementCount
            for fault in restored.faults { report.note("member", "identity \(identity.number): \(fault)") }
            for violation in restored.table.invariantViolations() {
                report.note("member", "identity \(identity.number): \(violation)")
            }
        }
        let members = try connection.statement(
            "SELECT key, network_group FROM member WHERE network_group IS NOT NULL")
        defer { members.reset() }
        while try members.step() {
            guard NetworkGroup(bytes: members.array(1)) == nil else { continue }
            report.note("member", Key(bytes: members.bytes(0)), "a network group that is none")
        }
    }

    /// Sizes and limits are settings of whoever runs the table: as wide here as a file can tell.
    static func wideConfiguration(_ network: Network) -> RoutingTable.Configuration {
        var configuration = RoutingTable.Configuration()
        configuration.keyBits = network.keyBits
        configuration.k = 4_096
        configuration.replacementCacheSize = 4_096
        configuration.limits = nil
        return configuration
    }

    /// What a running node remembers beside its peers: values that no version writes.
    mutating func checkEngine() throws {
        // One statement, so one view: peers may come and go meanwhile.
        let difference = try connection.integer(
            "SELECT (SELECT count(*) FROM peer) - ifnull((SELECT peers FROM tally), -1)")
        if difference != 0 { report.note("tally", "it is \(difference) peers behind the peers that are there") }
        let classes = Int64(FailureClass.allCases.map(\.rawValue).max() ?? 0)
        let held = try connection.statement("SELECT key, class, network_group FROM held")
        defer { held.reset() }
        while try held.step() {
            let hasGroup = held.isNull(2) || NetworkGroup(bytes: held.array(2)) != nil
            guard !(1...classes).contains(held.int64(1)) || !hasGroup else { continue }
            report.note("held", Key(bytes: held.bytes(0)), "values that cannot be")
        }
        let witnesses = try connection.statement("SELECT network_group FROM witness WHERE network_group IS NOT NULL")
        defer { witnesses.reset() }
        while try witnesses.step() {
            if NetworkGroup(bytes: witnesses.array(0)) == nil { report.note("witness", "a network group that is none") }
        }
        let impossible = try connection.statement(
            """
            SELECT 'clock' WHERE EXISTS (SELECT 1 FROM clock WHERE online_ms < 0)
            UNION ALL SELECT 'writer' WHERE EXISTS (SELECT 1 FROM writer WHERE sequence < 0)
            """)
        defer { impossible.reset() }
        while try impossible.step() { report.note(impossible.text(0), "values that cannot be") }
        try checkSessions()
        try checkLookups()
        for (table, limit) in [
            ("held", Store.maximumHeldFailures), ("session", OnlineTime.maximumCount),
            ("lookup_summary", LookupSummary.maximumCount),
        ] {
            let count = try connection.prepare("SELECT count(*) FROM \(table)")
            if try count.step(), count.int64(0) > Int64(limit) {
                report.note(table, "\(count.int64(0)) rows, at most \(limit) are kept")
            }
        }
    }

    private mutating func checkSessions() throws {
        let sessions = try connection.statement("SELECT started_at, ended_at FROM session ORDER BY started_at")
        defer { sessions.reset() }
        var end = Int64.min
        while try sessions.step() {
            if sessions.int64(0) < end { report.note("session", "two overlap at \(sessions.int64(0))") }
            end = max(end, sessions.int64(1))
        }
    }

    private mutating func checkLookups() throws {
        let reasons = Int64(Lookup.FinishReason.allCases.map(\.rawValue).max() ?? 0)
        let ends = try connection.statement(
            """
            SELECT 'lookup_summary', reason FROM lookup_summary WHERE reason NOT BETWEEN 1 AND ?1
            UNION ALL SELECT 'lookup_total', reason FROM lookup_total WHERE reason NOT BETWEEN 1 AND ?1
            """)
        defer { ends.reset() }
        ends.bind(1, reasons)
        while try ends.step() { report.note(ends.text(0), "an end of lookups that is none: \(ends.int64(1))") }
        let costs =
            try reader.lookups().compactMap(\.contradiction) + reader.lookupTotals().compactMap(\.contradiction)
        for contradiction in costs { report.note("lookup", contradiction) }
    }
}
