import Kademlia

/// From a damaged file's pages to rows in a new store.
struct SalvageReading {
    private var walk: TreeWalk
    private let schema: DamagedSchema
    private var judge: RowJudge
    private let options: SalvageOptions
    private let cancellation: Cancellation
    private var counts: [String: SalvageReport.Table] = [:]
    private var pagesRead = 0
    /// What table tally says.
    private var tally: Int?

    /// The description of the network, where it can be read.
    private(set) var found: (network: Network, scope: Scope)?

    var layout: SchemaLayout { schema.layout }
    var addressSources: Set<Int64>? { judge.addressSources }

    /// - Throws: ``StoreError/notAStore(path:reason:)`` for a file that shows no sign of having been a store.
    init(_ pages: DamagedPages, _ options: SalvageOptions, _ cancellation: Cancellation) throws {
        var walk = TreeWalk(pages)
        schema = try DamagedSchema(&walk)
        self.walk = walk
        self.options = options
        self.cancellation = cancellation
        judge = RowJudge(network: nil)
        found = findNetwork()
        judge = RowJudge(network: found?.network)
        let path = pages.file.path
        let isNamedOurs = pages.header.isDatabase && pages.header.applicationID == Migrator.applicationID
        if !schema.isOurs, found == nil, !isNamedOurs {
            if pages.header.isDatabase {
                throw StoreError.notAStore(path: path, reason: "it is an SQLite database of another program")
            }
            guard samplePeers(1).first != nil else {
                throw StoreError.notAStore(path: path, reason: "nothing in it is of a store")
            }
        }
    }

    // MARK: The network

    private func findNetwork() -> (network: Network, scope: Scope)? {
        guard let table = layout["network"] else { return nil }
        // On copies: what they find reached is not.
        var copy = walk
        var found: (network: Network, scope: Scope)?
        if let root = schema.roots[table.name] {
            copy.walk(from: root, table) { walk, _, page in found = found ?? Self.network(&walk, page, table) }
        }
        guard found == nil else { return found }
        copy = walk
        copy.eachOrphan { walk, _, page in
            guard found == nil, page.kind == .leafTable else { return }
            found = Self.network(&walk, page, table)
        }
        return found
    }

    private static func network(
        _ walk: inout TreeWalk, _ page: TreePage, _ table: TableLayout
    ) -> (network: Network, scope: Scope)? {
        for index in 0..<page.cellCount {
            guard let row = row(&walk, page, index, table), RowSeal.verdict(row, in: table) != .broken else { continue }
            if let found = RowJudge.network(row) { return found }
        }
        return nil
    }

    /// Some peers, wherever they are.
    private func samplePeers(_ limit: Int) -> [[RawValue]] {
        guard let table = layout["peer"] else { return [] }
        var judge = judge
        var peers: [[RawValue]] = []
        var copy = walk
        copy.eachOrphan { walk, _, page in
            guard peers.count < limit, page.kind.isIndex else { return }
            for index in 0..<page.cellCount {
                guard let row = Self.row(&walk, page, index, table),
                    judge.fault(row, in: table, isOrphan: true) == nil
                else { continue }
                peers.append(row)
            }
        }
        return peers
    }

    /// What the network must be, told by the peers, where its description is lost.
    ///
    /// - Throws: ``StoreError/invalidArgument(_:)`` where they do not tell.
    mutating func inferNetwork() throws -> (network: Network, scope: Scope) {
        let peers = samplePeers(1_000)
        var votes: [Network: Int] = [:]
        var isPrivate = false
        for peer in peers {
            guard let key = peer[0].blob, let id = peer[1].blob, let derivation = RowJudge.derivation(key: key, id: id)
            else { continue }
            for network in Network.known where network.derivation == derivation && network.keyByteCount == key.count {
                votes[network, default: 0] += 1
            }
            for address in AddressList(blob: peer[2].blob ?? []) where !Scope.public.admits(address) {
                isPrivate = true
            }
        }
        let most = votes.values.max() ?? 0
        let likely = votes.filter { $0.value == most }.map(\.key)
        guard let network = options.network ?? (likely.count == 1 ? likely.first : nil) else {
            throw StoreError.invalidArgument(
                "\(walk.pages.file.path): the description of its network is lost, and its peers do not tell which it is. "
                    + "Name it with --network and --scope.")
        }
        judge = RowJudge(network: network)
        return (network, options.scope ?? (isPrivate ? .private : .public))
    }

    // MARK: Rows

    /// Reads everything into `target`.
    mutating func read(into target: SalvageTarget) throws {
        for table in layout.tables where table.isTable { try readTree(table, target) }
        // Indexes are made anew; what belongs to them is not to be taken for lost rows.
        for index in layout.tables where !index.isTable {
            guard let root = schema.roots[index.name] else { continue }
            var walk = walk
            try walk.walk(from: root, index) { walk, _, page in
                try note()
                for place in 0..<page.cellCount {
                    if let cell = page.cell(place), cell.overflow != nil { _ = walk.payload(page, cell) }
                }
            }
            self.walk = walk
        }
        walk.readFreeList()
        try readOrphans(target)
        try readBehind(target)
        for (table, settled) in try target.settleOrphans() {
            counts[table]?.saved += settled.saved
            counts[table]?.fromOrphans += settled.saved
            counts[table]?.superseded += settled.superseded
        }
    }

    private mutating func note() throws {
        pagesRead += 1
        guard pagesRead.isMultiple(of: 256) else { return }
        try cancellation.check()
        options.onProgress?(.copying(pages: pagesRead, of: walk.pages.count))
    }

    private mutating func readTree(_ table: TableLayout, _ target: SalvageTarget) throws {
        guard let root = schema.roots[table.name] else { return }
        let isSaved = RowJudge.tables.contains(table.name)
        var walk = walk
        try walk.walk(from: root, table) { walk, number, page in
            try note()
            for index in 0..<page.cellCount {
                if isSaved {
                    try take(&walk, page, number, index, table, target)
                } else if table.name == "tally", let row = Self.row(&walk, page, index, table) {
                    tally = row[1].integer.flatMap { $0 >= 0 ? Int($0) : nil }
                }
            }
        }
        self.walk = walk
    }

    private mutating func take(
        _ walk: inout TreeWalk, _ page: TreePage, _ number: UInt32, _ index: Int, _ table: TableLayout,
        _ target: SalvageTarget
    ) throws {
        counts[table.name, default: SalvageReport.Table(table.name)].found += 1
        let place = (table: table.name, page: number, cell: index)
        guard let cell = page.cell(index) else { return lost(place, .unreadable, []) }
        guard let payload = walk.payload(page, cell) else { return lost(place, .cut, page.bytes[cell.local]) }
        guard let values = RecordFormat.values(payload) else { return lost(place, .unreadable, payload) }
        guard let row = table.row(values, rowid: cell.rowid) else { return lost(place, .shape, payload) }
        if let fault = judge.fault(row, in: table, isOrphan: false) { return lost(place, fault, payload) }
        if try target.insert(row, into: table, isOrphan: false) {
            counts[table.name]?.saved += 1
        } else {
            // In a sound tree no key stands twice.
            lost(place, .displaced, payload)
        }
    }

    private mutating func lost(
        _ place: (table: String, page: UInt32, cell: Int), _ reason: LostRow.Reason, _ bytes: ArraySlice<UInt8>
    ) {
        counts[place.table, default: SalvageReport.Table(place.table)].lost[reason, default: 0] += 1
        options.onLost?(
            LostRow(
                table: place.table, reason: reason, page: Int(place.page), cell: place.cell, bytes: Array(bytes)))
    }

    private static func row(
        _ walk: inout TreeWalk, _ page: TreePage, _ index: Int, _ table: TableLayout
    ) -> [RawValue]? {
        guard let cell = page.cell(index), let payload = walk.payload(page, cell),
            let values = RecordFormat.values(payload)
        else { return nil }
        return table.row(values, rowid: cell.rowid)
    }

    // MARK: Orphans

    private var orphanPages = 0
    /// The rows of one page are held at once: of honest pages never as many, each row that overflows has its share of the
    /// page.
    private static let maximumOrphanBytes = 16 << 20

    private mutating func readOrphans(_ target: SalvageTarget) throws {
        var walk = walk
        try walk.eachOrphan { walk, number, page in
            try note()
            try takeOrphan(&walk, page, number, target)
        }
        self.walk = walk
    }

    /// Rows in pages of commits behind a damaged page of the log: what is newest there, and not in the store, is better than
    /// nothing. Only those whose seals are right: what they overflow to lies elsewhere, perhaps in another state.
    private mutating func readBehind(_ target: SalvageTarget) throws {
        for place in walk.pages.log.behind.reversed() {
            try note()
            guard let bytes = walk.pages.log.bytes(at: place.at),
                let page = TreePage(bytes, header: place.page == 1 ? 100 : 0), page.kind != .innerTable
            else { continue }
            var walk = walk
            for index in 0..<page.cellCount {
                guard let cell = page.cell(index), cell.overflow == nil, let payload = walk.payload(page, cell),
                    let values = RecordFormat.values(payload)
                else { continue }
                for table in layout.tables where table.isTable && table.usesIndexPages == page.kind.isIndex {
                    guard RowJudge.tables.contains(table.name), let row = table.row(values, rowid: cell.rowid),
                        RowSeal.verdict(row, in: table) == .sound, judge.fault(row, in: table, isOrphan: true) == nil
                    else { continue }
                    counts[table.name, default: SalvageReport.Table(table.name)].found += 1
                    _ = try target.insert(row, into: table, isOrphan: true)
                    break
                }
            }
        }
    }

    /// A page holds rows of one table: of the one that most of them can be of.
    private mutating func takeOrphan(
        _ walk: inout TreeWalk, _ page: TreePage, _ number: UInt32, _ target: SalvageTarget
    ) throws {
        var bytes = 0
        var payloads: [(index: Int, rowid: Int64?, bytes: ArraySlice<UInt8>, values: [RawValue])] = []
        for index in 0..<page.cellCount {
            guard bytes < Self.maximumOrphanBytes, let cell = page.cell(index),
                let payload = walk.payload(page, cell), let values = RecordFormat.values(payload)
            else { continue }
            bytes += payload.count
            payloads.append((index, cell.rowid, payload, values))
        }
        var best: (table: TableLayout, rows: [(index: Int, row: [RawValue])])?
        var isTied = false
        for table in layout.tables where table.isTable && table.usesIndexPages == page.kind.isIndex {
            var rows: [(index: Int, row: [RawValue])] = []
            for (index, rowid, _, values) in payloads {
                guard let row = table.row(values, rowid: rowid), judge.fault(row, in: table, isOrphan: true) == nil
                else { continue }
                rows.append((index, row))
            }
            guard !rows.isEmpty, rows.count >= best?.rows.count ?? 0 else { continue }
            isTied = rows.count == best?.rows.count
            best = (table, rows)
        }
        // Nothing of any table: an index's, most likely.
        guard let best else { return }
        orphanPages += 1
        guard !isTied else {
            for (index, _, bytes, _) in payloads {
                counts["", default: SalvageReport.Table("")].found += 1
                lost(("", number, index), .unattributable, bytes)
            }
            return
        }
        guard RowJudge.tables.contains(best.table.name) else { return }
        counts[best.table.name, default: SalvageReport.Table(best.table.name)].found += best.rows.count
        for (_, row) in best.rows { _ = try target.insert(row, into: best.table, isOrphan: true) }
        let kept = Set(best.rows.map(\.index))
        for index in 0..<page.cellCount where !kept.contains(index) {
            counts[best.table.name]?.found += 1
            let payload = payloads.first { $0.index == index }
            let row = payload.flatMap { best.table.row($0.values, rowid: $0.rowid) }
            let reason = row.flatMap { judge.fault($0, in: best.table, isOrphan: true) }
            lost(
                (best.table.name, number, index), reason ?? (payload == nil ? .unreadable : .shape),
                payload?.bytes ?? [])
        }
    }

    // MARK: The account

    /// Writes what was met into a report.
    func tell(_ report: inout SalvageReport, _ mending: SalvageMending) {
        report.schema = layout.version
        report.pages = walk.pages.count
        report.damagedPages = walk.damaged + schema.missingRoots
        report.orphanPages = orphanPages
        report.isFreeListIntact = walk.isFreeListIntact
        report.expectedPeers = tally
        report.peers = mending.peers
        var counts = counts
        for (rows, reason) in [(mending.dependent, LostRow.Reason.dependent), (mending.excess, .excess)] {
            for (table, count) in rows {
                counts[table, default: SalvageReport.Table(table)].saved -= count
                counts[table]?.lost[reason, default: 0] += count
            }
        }
        var absent = mending.absent
        if let tally { absent["peer"] = tally - mending.peers }
        for (table, count) in absent {
            // What was lost before our eyes may be the same rows.
            let missing = count - (counts[table]?.lostCount ?? 0)
            guard missing > 0 else { continue }
            counts[table, default: SalvageReport.Table(table)].found += missing
            counts[table]?.lost[.missing] = missing
        }
        report.tables = layout.tables.compactMap { counts[$0.name] } + [counts[""]].compactMap(\.self)
    }
}
