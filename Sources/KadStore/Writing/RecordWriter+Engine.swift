import Kademlia

/// Writes what a running node remembers beside its peers, inside the writer's transaction.
extension RecordWriter {
    func write(_ mark: ClockMark) throws {
        try connection.statement(
            """
            INSERT OR REPLACE INTO clock (singleton, high_water, online_ms, boot_id, boot_at, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            """, sealing: .clock
        )
        .bind(1, 1).bind(2, mark.highWater.milliseconds).bind(3, mark.onlineMilliseconds).bind(4, mark.bootID)
        .bind(5, mark.bootedAt?.milliseconds).run()
    }

    /// Of a peer without a row nothing is kept: there would be nobody to redial.
    func write(_ held: OutageGuard.Held) throws {
        guard try !reader.isHeldDamaged(held.key) else { return }
        try connection.statement(
            """
            INSERT OR REPLACE INTO held (key, network_group, class, at, witnessed, count, redialled_at, seal)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM peer WHERE key = ?1)
            """, sealing: .held
        )
        .bind(1, held.key, width: width).bind(2, held.group?.bytes).bind(3, Int64(held.failureClass.rawValue))
        .bind(4, held.at.milliseconds).bind(5, held.isWitnessed ? 1 : 0).bind(6, Int64(held.count))
        .bind(7, held.redialledAt?.milliseconds).run()
    }

    func removeHeld(of key: Key) throws {
        try connection.statement("DELETE FROM held WHERE key = ?1").bind(1, key, width: width).run()
    }

    /// Keeps the newest held failures, as many as are allowed.
    func capHeld() throws {
        try connection.statement(
            "DELETE FROM held WHERE key IN (SELECT key FROM held ORDER BY at DESC, key LIMIT -1 OFFSET ?1)"
        ).bind(1, Int64(Store.maximumHeldFailures)).run()
    }

    func write(_ witnesses: [OutageGuard.Witness], canaryAt: Instant?) throws {
        try connection.statement("DELETE FROM witness").run()
        for (slot, witness) in witnesses.prefix(2).enumerated() {
            try connection.statement(
                "INSERT INTO witness (slot, network_group, at, since, spacing_us) VALUES (?1, ?2, ?3, ?4, ?5)"
            )
            .bind(1, Int64(slot)).bind(2, witness.group?.bytes).bind(3, witness.at.milliseconds)
            .bind(4, witness.since.milliseconds).bind(5, witness.spacing).run()
        }
        try connection.statement("DELETE FROM canary").run()
        guard let canaryAt else { return }
        try connection.statement("INSERT INTO canary (singleton, at) VALUES (1, ?1)")
            .bind(1, canaryAt.milliseconds).run()
    }

    /// Makes the stored sessions say what `online` says, given what they say now.
    func replace(_ stored: OnlineTime, with online: OnlineTime) throws {
        let kept = Set(online.sessions.map(\.start))
        for session in stored.sessions where !kept.contains(session.start) {
            try connection.statement("DELETE FROM session WHERE started_at = ?1")
                .bind(1, session.start.milliseconds).run()
        }
        let known = Set(stored.sessions)
        for session in online.sessions where !known.contains(session) { try write(session) }
    }

    func write(_ session: OnlineTime.Session) throws {
        try connection.statement(
            "INSERT OR REPLACE INTO session (started_at, ended_at, seal) VALUES (?1, ?2, ?3)", sealing: .session
        )
        .bind(1, session.start.milliseconds).bind(2, session.end.milliseconds).run()
    }

    /// Adds finished lookups to the ring and to the sums.
    func add(_ lookups: [LookupSummary]) throws {
        guard !lookups.isEmpty else { return }
        var history = LookupHistory(totals: try reader.lookupTotals())
        for summary in lookups {
            history.add(summary)
            try append(summary)
        }
        for totals in history.totals { try write(totals) }
        try connection.statement(
            """
            DELETE FROM lookup_summary WHERE number NOT IN (
                SELECT number FROM lookup_summary ORDER BY number DESC LIMIT ?1)
            """
        ).bind(1, Int64(LookupSummary.maximumCount)).run()
    }

    /// Appends a lookup, under the next number. An identity that the store does not have is left out.
    func append(_ summary: LookupSummary) throws {
        try connection.statement(
            """
            INSERT INTO lookup_summary (identity, finished_at, reason, milliseconds, queries, answers, failures, timeouts,
                                        skipped, slow, refills, hops, offered, entered, distances, peak_frontier)
            VALUES ((SELECT number FROM identity WHERE number = ?1),
                    ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            """
        )
        .bind(1, summary.identity).bind(2, summary.finishedAt.milliseconds).bind(3, Int64(summary.reason.rawValue))
        .bind(4, summary.milliseconds).bind(5, Int64(summary.queries)).bind(6, Int64(summary.answers))
        .bind(7, Int64(summary.failures)).bind(8, Int64(summary.timeouts)).bind(9, Int64(summary.skipped))
        .bind(10, Int64(summary.slow)).bind(11, Int64(summary.refills)).bind(12, Int64(summary.hops))
        .bind(13, Int64(summary.offered)).bind(14, Int64(summary.entered)).bind(15, Int64(summary.distances))
        .bind(16, Int64(summary.peakFrontier)).run()
    }

    func write(_ totals: LookupTotals) throws {
        try connection.statement(
            """
            INSERT OR REPLACE INTO lookup_total (reason, lookups, milliseconds, queries, answers, failures, timeouts,
                                                 skipped)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            """
        )
        .bind(1, Int64(totals.reason.rawValue)).bind(2, Int64(totals.lookups)).bind(3, totals.milliseconds)
        .bind(4, Int64(totals.queries)).bind(5, Int64(totals.answers)).bind(6, Int64(totals.failures))
        .bind(7, Int64(totals.timeouts)).bind(8, Int64(totals.skipped)).run()
    }
}
