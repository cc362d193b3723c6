import Kademlia

extension Store {
    /// How often the file was seen to change without an event that was recorded here: other processes' commits, imports,
    /// restores, ``forgive(_:)``. A node that caches what it reads compares this with what it was before, and reads again
    /// when it has grown.
    ///
    /// Returns what is known at once, and has the writer look again: a commit of another process is noticed by the next
    /// call but one at the latest, or when this store commits. Several commits may count as one. 0 in a store that is open
    /// for reading: there each read sees the latest commit.
    public func foreignCommits() -> Int64 {
        guard let writer else { return 0 }
        writer.lookForForeignCommits()
        return writer.foreignCommits
    }

    /// Counts the peers, and corrects ``peerCount()`` where programs other than this software have added or deleted some;
    /// likewise ``holdings()``, values and providers.
    ///
    /// Counts in one view on a thread of the store's own; only the difference is written, so that what is committed
    /// meanwhile stays counted.
    ///
    /// - Returns: the difference in peers that there was.
    /// - Complexity: O(n): 33 ms for a million peers in memory.
    @discardableResult
    public func recount() async throws(StoreError) -> Int {
        guard let writer else { throw .readOnly(path: path) }
        let (difference, held) = try await maintain { reader, _ in
            try reader.connection.readTransaction {
                let difference = try reader.connection.integer(
                    """
                    SELECT (SELECT count(*) FROM peer) - ifnull((SELECT min(max(0, peers), 1 << 62) FROM tally), 0)
                    """)
                return (difference, try reader.countHoldings().difference(from: reader.holdings()))
            }
        }
        guard difference != 0 || held != Holdings() else { return 0 }
        try await writer.perform { writer in
            try writer.transaction { records in
                try records.add(held)
                guard difference != 0 else { return }
                try records.connection.statement(
                    """
                    INSERT INTO tally (singleton, peers) VALUES (1, ?1)
                    ON CONFLICT (singleton) DO UPDATE SET peers = max(0, min(max(0, peers), 1 << 62) + ?1)
                    """
                ).bind(1, difference).run()
            }
        }
        return Int(difference)
    }
}
