import Kademlia

/// Rows and their seals.
extension Checker {
    /// Every table but the peers', whose pages are read in any case.
    mutating func checkSeals() throws {
        for table in SealedTable.allCases where table != .peer {
            let columns = table.columns.joined(separator: ", ")
            let rows = try connection.prepare("SELECT \(columns), seal FROM \(table.name)")
            while try rows.step() { checkSeal(of: table, rows) }
        }
    }

    /// - Parameter row: all columns of the table in their order, and the seal.
    mutating func checkSeal(of table: SealedTable, _ row: Statement) {
        switch row.soundness(of: table) {
        case .sealed: break
        case .unsealed: report.unsealedRows += 1
        case .damaged:
            report.damagedRows += 1
            report.note(table.name, key(of: table, row), "\(name(of: table, row)) does not match its seal")
        }
    }

    /// The key of the peer whose row it is. Never a value's: what is published is one's own business.
    private func key(of table: SealedTable, _ row: Statement) -> Key? {
        let column: Int32? =
            switch table {
            case .peer, .failure, .backoff, .tombstone, .held, .visit: 0
            case .provider: 1
            case .identity: 2
            case .member: 4
            case .network, .clock, .agent, .protocolSet, .source, .candidate, .bucket, .session, .value: nil
            }
        return column.map { reader.approximateKey(row.bytes($0)) }
    }

    private func name(of table: SealedTable, _ row: Statement) -> String {
        switch table {
        case .agent, .protocolSet, .source, .identity, .session, .value: "row \(row.int64(0))"
        case .bucket: "bucket \(row.int64(1)) of identity \(row.int64(0))"
        case .candidate: "\(Hex.encode(row.array(0).prefix(64)))"
        case .network, .clock, .peer, .failure, .backoff, .tombstone, .member, .held, .provider, .visit: "the row"
        }
    }
}
