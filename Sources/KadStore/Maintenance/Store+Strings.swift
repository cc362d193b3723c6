import Kademlia

extension Store {
    /// Drops agents, protocol lists and sources that no row uses any more: what a peer calls itself costs it nothing, and one
    /// that takes a new name every minute would fill the file for good.
    ///
    /// One transaction, in which other writers wait: 0.1 s for 65,536 peers. Where a table has grown by less than half, and
    /// by less than ``StringTables/keptUnused``, since it was last looked through, nothing is read.
    ///
    /// - Returns: how many went.
    /// - Complexity: O(n) for n peers; O(1) where there is nothing to gain.
    @discardableResult
    public func sweepStrings() async throws(StoreError) -> Int {
        guard let writer else { throw .readOnly(path: path) }
        return try await writer.perform { try $0.sweepStrings() }
    }
}

extension Writer {
    func sweepStrings() throws -> Int {
        let reader = try records().reader
        let due = try StringTables.Table.allCases.filter { try reader.strings.isSweepDue($0) }
        guard !due.isEmpty else { return 0 }
        try commitPending()
        return try transaction { records in
            var dropped = 0
            for table in due { dropped += try records.reader.dropUnusedStrings(of: table) }
            return dropped
        }
    }
}

extension RecordReader {
    /// Inside the writer's transaction.
    ///
    /// The newest row stays, used or not: SQLite would give its number to another string, and who has the old one in a cache
    /// would read the new one for it. Any other number is never given again.
    fileprivate func dropUnusedStrings(of table: StringTables.Table) throws -> Int {
        switch table {
        case .agent:
            try connection.statement(
                """
                DELETE FROM agent WHERE id < (SELECT max(id) FROM agent)
                    AND id NOT IN (SELECT agent FROM peer WHERE agent IS NOT NULL)
                """
            ).run()
        case .protocolSet:
            try connection.statement(
                """
                DELETE FROM protocol_set WHERE id < (SELECT max(id) FROM protocol_set)
                    AND id NOT IN (SELECT protocols FROM peer WHERE protocols IS NOT NULL)
                """
            ).run()
        case .source: return try dropUnusedSources()
        }
        let dropped = connection.changes
        try strings.swept(table)
        return dropped
    }

    /// Sources stand in the encoded addresses, too.
    private func dropUnusedSources() throws -> Int {
        var used: Set<Int64> = []
        let peers = try connection.statement("SELECT source, addresses FROM peer")
        defer { peers.reset() }
        while try peers.step() {
            if let source = peers.optionalInt64(0) { used.insert(source) }
            var addresses = AddressCodec.AddressReader(peers.array(1)[...])
            while let address = addresses.next() {
                if let source = address.source { used.insert(Int64(bitPattern: source)) }
            }
        }
        let candidates = try connection.statement("SELECT DISTINCT source FROM candidate WHERE source IS NOT NULL")
        defer { candidates.reset() }
        while try candidates.step() { used.insert(candidates.int64(0)) }
        let all = try connection.statement("SELECT id FROM source WHERE id < (SELECT max(id) FROM source)")
        defer { all.reset() }
        var unused: [Int64] = []
        while try all.step() {
            if !used.contains(all.int64(0)) { unused.append(all.int64(0)) }
        }
        all.reset()
        for source in unused { try connection.statement("DELETE FROM source WHERE id = ?1").bind(1, source).run() }
        try strings.swept(.source)
        return unused.count
    }
}
