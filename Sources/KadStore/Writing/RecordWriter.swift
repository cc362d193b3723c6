import Kademlia
import Multiformats

/// Writes whole records, inside the writer's transaction.
final class RecordWriter {
    let reader: RecordReader
    var connection: Connection { reader.connection }
    private var strings: StringTables { reader.strings }
    var width: Int { reader.width }
    /// Peers that came less those that went in this transaction.
    private var peerChange: Int64 = 0
    /// Whether the numbers of values and providers were compared with what there is, once before any went for want of room.
    var hasCountedHoldings = false

    init(_ reader: RecordReader) { self.reader = reader }

    /// Runs `body`, then brings the number of peers up to date: the last step of every transaction.
    func counting<Result>(_ body: (RecordWriter) throws -> Result) throws -> Result {
        peerChange = 0
        let result = try body(self)
        guard peerChange != 0 else { return result }
        // Whatever number a damaged file holds, the sum is an integer: a REAL would be refused, and every peer with it.
        try connection.statement("UPDATE tally SET peers = max(0, min(peers, 1 << 62) + ?1)").bind(1, peerChange).run()
        return result
    }

    /// Makes the rows of a peer say what `record` says, given what they say now.
    func replace(_ stored: PeerRecord?, with record: PeerRecord?, key: Key) throws {
        guard stored != record else { return }
        guard let record else {
            try connection.statement("DELETE FROM peer WHERE key = ?1").bind(1, key, width: width).run()
            peerChange -= 1
            return
        }
        try writePeer(record, isNew: stored == nil)
        if stored == nil { peerChange += 1 }
        if stored?.failures ?? [] != record.failures {
            if stored?.failures.isEmpty == false {
                try connection.statement("DELETE FROM failure WHERE key = ?1").bind(1, key, width: width).run()
            }
            for failure in record.failures { try insert(failure, of: key) }
        }
        if stored?.backoff != record.backoff {
            if let backoff = record.backoff {
                try write(backoff, of: key)
            } else {
                try connection.statement("DELETE FROM backoff WHERE key = ?1").bind(1, key, width: width).run()
            }
        }
    }

    /// Writes the row of a peer that is there anew, where what it refers to has changed.
    func rewrite(_ record: PeerRecord) throws { try writePeer(record, isNew: false) }

    /// Inserts or updates the row of table peer. Not INSERT OR REPLACE: that would delete first, and take the rows
    /// that refer to it along.
    private func writePeer(_ record: PeerRecord, isNew: Bool) throws {
        let upsert =
            if isNew {
                try connection.statement(
                    """
                    INSERT INTO peer (key, id, addresses, first_seen, last_seen, last_ok, not_before, wait_ms, rtt_us,
                                      rtt_var_us, successes, days_seen, agent, protocols, source, seal)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
                    """, sealing: .peer)
            } else {
                try connection.statement(
                    """
                    UPDATE peer SET
                        addresses = ?3, first_seen = ?4, last_seen = ?5, last_ok = ?6, not_before = ?7, wait_ms = ?8,
                        rtt_us = ?9, rtt_var_us = ?10, successes = ?11, days_seen = ?12, agent = ?13,
                        protocols = ?14, source = ?15, seal = ?16
                    WHERE key = ?1 AND id = ?2
                    """, sealing: .peer)
            }
        let source = try record.source.map { try strings.intern(.source, $0) }
        let base = AddressCodec.Base(
            firstSeen: record.firstSeen, lastSeen: record.lastSeen, lastOK: record.lastOK, source: source)
        let addresses = try AddressCodec.encode(record.addresses, base: base) { try strings.intern(.source, $0) }
        upsert.bind(1, record.key, width: width)
            .bind(4, record.firstSeen.milliseconds).bind(5, record.lastSeen.milliseconds)
            .bind(6, record.lastOK?.milliseconds).bind(7, record.backoff?.notBefore?.milliseconds)
            .bind(8, record.backoff?.notBefore == nil ? nil : record.backoff?.waitMilliseconds)
            .bind(9, record.rtt?.smoothed).bind(10, record.rtt?.variation)
            .bind(11, Int64(record.successes)).bind(12, Int64(record.daysSeen))
            .bind(13, try record.agent.map { try strings.intern(.agent, $0) })
            .bind(14, try strings.intern(protocols: record.protocols))
            .bind(15, source)
        try record.id.bytes.withUnsafeBytes { id in
            try addresses.withUnsafeBytes { addresses in
                try upsert.bind(2, borrowing: id).bind(3, borrowing: addresses).run()
            }
        }
    }

    private func insert(_ failure: FailureRecord, of key: Key) throws {
        try connection.statement(
            """
            INSERT INTO failure (key, address, class, count, first_at, last_at, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            """, sealing: .failure
        )
        .bind(1, key, width: width).bind(2, failure.address?.bytes ?? [])
        .bind(3, Int64(failure.failureClass.rawValue)).bind(4, Int64(failure.count))
        .bind(5, failure.firstAt.milliseconds).bind(6, failure.lastAt.milliseconds).run()
    }

    private func write(_ backoff: BackoffState, of key: Key) throws {
        try connection.statement(
            """
            INSERT OR REPLACE INTO backoff (key, streak_milli, streak_at, class, outcomes, outcome_count, breaker,
                                            openings, opened_at, trials, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            """, sealing: .backoff
        )
        .bind(1, key, width: width).bind(2, backoff.streakMilli).bind(3, backoff.streakAt.milliseconds)
        .bind(4, Int64(backoff.lastClass.rawValue)).bind(5, Int64(backoff.outcomes))
        .bind(6, Int64(backoff.outcomeCount)).bind(7, Int64(backoff.breaker.rawValue))
        .bind(8, Int64(backoff.openings)).bind(9, backoff.openedAt?.milliseconds).bind(10, Int64(backoff.trials))
        .run()
    }
}

extension RecordWriter {
    func write(_ tombstone: Tombstone) throws {
        guard try !reader.isTombstoneDamaged(tombstone.key) else { return }
        try connection.statement(
            """
            INSERT OR REPLACE INTO tombstone (key, dropped_at, streak_milli, not_before, wait_ms, class, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            """, sealing: .tombstone
        )
        .bind(1, tombstone.key, width: width).bind(2, tombstone.droppedAt.milliseconds)
        .bind(3, tombstone.streakMilli).bind(4, tombstone.notBefore?.milliseconds)
        .bind(5, tombstone.waitMilliseconds).bind(6, Int64(tombstone.lastClass.rawValue)).run()
    }

    func removeTombstone(of key: Key) throws {
        try connection.statement("DELETE FROM tombstone WHERE key = ?1").bind(1, key, width: width).run()
    }

    /// Keeps the newest tombstones, as many as are allowed, and none whose streak has decayed to nothing by the time that
    /// the newest was left: else they grow for as long as peers come and go. Damaged ones stay: their age may be what is
    /// wrong.
    func capTombstones(newest: Instant) throws {
        // 6 and 7 are the classes of misbehaviour.
        try connection.statement(
            """
            DELETE FROM tombstone
            WHERE dropped_at < CASE WHEN class IN (6, 7) THEN ?1 ELSE ?2 END
                AND ifnull(seal = seal_of(10, key, dropped_at, streak_milli, not_before, wait_ms, class), 1)
            """
        )
        .bind(1, newest.advanced(byMilliseconds: -Tombstone.misbehaviourMilliseconds).milliseconds)
        .bind(2, newest.advanced(byMilliseconds: -Tombstone.keptMilliseconds).milliseconds).run()
        try connection.statement(
            """
            DELETE FROM tombstone WHERE key IN (
                SELECT key FROM tombstone ORDER BY dropped_at DESC, key LIMIT -1 OFFSET ?1)
                AND ifnull(seal = seal_of(10, key, dropped_at, streak_milli, not_before, wait_ms, class), 1)
            """
        ).bind(1, Int64(Tombstone.maximumCount)).run()
    }

    func replace(_ stored: Candidate?, with candidate: Candidate?, address: Multiaddr) throws {
        guard stored != candidate else { return }
        guard let candidate else {
            try connection.statement("DELETE FROM candidate WHERE address = ?1").bind(1, address.bytes).run()
            return
        }
        try connection.statement(
            """
            INSERT OR REPLACE INTO candidate (address, first_seen, last_seen, last_tried, tries, source, seal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            """, sealing: .candidate
        )
        .bind(1, address.bytes).bind(2, candidate.firstSeen.milliseconds).bind(3, candidate.lastSeen.milliseconds)
        .bind(4, candidate.lastTried?.milliseconds).bind(5, Int64(candidate.tries))
        .bind(6, try candidate.source.map { try strings.intern(.source, $0) }).run()
    }

    /// Replaces what is stored of a bucket. Contacts whose peers the store does not have are left out: a member without a
    /// row could not be dialled after a restart.
    func write(_ bucket: BucketSnapshot, identity: Int64) throws {
        try connection.statement("DELETE FROM bucket WHERE identity = ?1 AND prefix = ?2")
            .bind(1, identity).bind(2, Int64(bucket.index)).run()
        try connection.statement(
            """
            INSERT INTO bucket (identity, prefix, refreshed_at, seal)
            SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM identity WHERE number = ?1)
            """, sealing: .bucket
        )
        .bind(1, identity).bind(2, Int64(bucket.index)).bind(3, bucket.refreshedAt?.milliseconds).run()
        guard connection.changes > 0 else { return }
        for (role, contacts) in [(Int64(0), bucket.live), (1, bucket.replacements)] {
            var position: Int64 = 0
            for contact in contacts {
                // A contact that moved here from a bucket written earlier leaves that one.
                try connection.statement("DELETE FROM member WHERE key = ?1 AND identity = ?2")
                    .bind(1, contact.key, width: width).bind(2, identity).run()
                try connection.statement(
                    """
                    INSERT INTO member (identity, prefix, role, position, key, network_group, first_seen, last_seen,
                                        last_ok, verified, failures, seal)
                    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
                    WHERE EXISTS (SELECT 1 FROM peer WHERE key = ?5)
                    """, sealing: .member
                )
                .bind(1, identity).bind(2, Int64(bucket.index)).bind(3, role).bind(4, position)
                .bind(5, contact.key, width: width).bind(6, contact.networkGroup?.bytes)
                .bind(7, contact.firstSeen.milliseconds).bind(8, contact.lastSeen.milliseconds)
                .bind(9, contact.lastOK?.milliseconds).bind(10, contact.isVerified ? 1 : 0)
                .bind(11, Int64(contact.consecutiveFailures)).run()
                if connection.changes > 0 { position += 1 }
            }
        }
    }

    /// Inserts an identity with a number of its own.
    func insert(_ identity: Identity) throws {
        try connection.statement(
            "INSERT INTO identity (number, id, key, label, created_at, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            sealing: .identity
        )
        .bind(1, identity.number).bind(2, identity.peer.id.bytes).bind(3, identity.peer.key, width: width)
        .bind(4, identity.label).bind(5, identity.createdAt.milliseconds).run()
    }
}
