import Foundation
import Kademlia
import Multiformats
import Synchronization
import TestSupport

@testable import KadStore

/// Something that a store is used for, in steps whose results are known.
struct Workload: Sendable, CustomStringConvertible {
    let name: String
    /// The files that it works on.
    var files = ["a.db"]
    /// Makes what is there before.
    var prepare: @Sendable (_ folder: String) async throws -> Void = { _ in }
    let run: @Sendable (Ledger) async throws -> Void

    var description: String { name }

    static let all =
        [
            creation, batches, loading, pruning, vacuum, checkpoints, opening, backup, restoring, restoringNew,
            restoringOtherPages, salvage,
        ] + ["V0001", "V0002", "V0003"].map(migration(from:))

    /// Nothing is committed, synced or moved but when a workload says so; and the clock stands still.
    static func options(frames: Int = 100_000) -> StoreOptions {
        var options = StoreOptions()
        options.batchCount = 100_000
        options.batchMilliseconds = 3_600_000
        options.syncMilliseconds = 3_600_000
        options.checkpointFrames = frames
        options.waitMilliseconds = 2_000
        options.cacheKibibytes = 256
        options.now = { .seconds(1_000) }
        options.salt = Array(repeating: 7, count: 32)
        return options
    }

    static func open(_ path: String, frames: Int = 100_000) async throws(StoreError) -> Store {
        try await Store.open(path, mode: .create(.plain, .private), options: options(frames: frames))
    }

    /// A store with something of everything.
    static func fill(_ path: String, peers: Int = 120, pageSize: Int? = nil) async throws {
        if let pageSize {
            try Opened.createPrivately(path)
            try Connection(path: path, access: .readWrite).execute("PRAGMA page_size = \(pageSize)")
        }
        let store = try await open(path)
        _ = try await store.identity(try store.peer(at: Key(77, 0, 0, 0)).id)
        for number in 0..<peers { try store.hear(key(number)) }
        for batch in 0..<4 { try await record(store, batch) }
        try await store.close()
    }

    private static func filled(_ folder: String) async throws { try await fill(folder + "/a.db") }

    private static func filledUp(_ folder: String) async throws { try await fill(folder + "/a.db", peers: 400) }

    private static func older(_ schema: String) -> @Sendable (String) async throws -> Void {
        { try OldFile.make(schema, at: $0 + "/a.db") }
    }

    /// A clock that goes on, for names that say when.
    private static let ticks = Atomic<Int64>(0)

    private static let ticking: @Sendable () -> Instant = {
        .seconds(1_000 + ticks.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    static func key(_ number: Int) -> Key { Key(UInt64(number) &* 0x9e37_79b9_7f4a_7c15, 0, 0, UInt64(number)) }

    /// Events of every kind.
    static func record(_ store: Store, _ batch: Int) async throws {
        let at = Instant.seconds(Int64(batch))
        for number in batch * 7..<batch * 7 + 12 {
            let peer = try store.peer(at: key(number))
            try store.record(.heard(peer, addresses: [.test(number), .test(number + 1)], source: "s\(batch)", at: at))
            if number % 3 == 0 { try store.record(.answered(peer, address: .test(number), rtt: 5_000, at: at)) }
            if number % 4 == 0 { try store.record(.failed(peer, address: .test(number), .timeout, at: at)) }
            if number % 5 == 0 {
                try store.record(.identified(peer, agent: "a/\(batch)", protocols: ["/p\(batch)"], at: at))
            }
        }
        let gone = key(batch * 7 + 3)
        let stone = Tombstone(
            key: gone, droppedAt: at, streakMilli: 1_000, notBefore: at.advanced(byMilliseconds: 5),
            waitMilliseconds: 5)
        try store.record(.forgotten(try store.peer(at: gone), leaving: stone))
        try store.record(.held(.test(key(batch * 7 + 1), at: at)))
        let live = [Contact.test(key(batch * 7 + 1)), Contact.test(key(batch * 7 + 2))]
        let bucket = BucketSnapshot(index: 0, refreshedAt: at, live: live, replacements: [])
        if let identity = try store.identities().first {
            try store.record(.bucket(bucket, identity: identity.number))
        }
        try store.record(.candidateHeard(.test(5_000 + batch), source: "s\(batch)", at: at))
        try store.record(.clock(ClockMark(highWater: at, onlineMilliseconds: Int64(batch))))
        try store.record(.online(from: at, to: at.advanced(byMilliseconds: 500)))
        try store.record(.witnesses([OutageGuard.Witness(group: nil, at: at)], canaryAt: at))
        try store.record(.lookedUp(.test(batch + 1)))
        let long = String(repeating: "\(batch)", count: 9_000)
        try store.record(.valueStored(.test("long-\(batch)", long, at: Int64(batch), isOwn: batch % 2 == 0)))
        try store.record(.valueForgotten(Array("long-\(batch - 2)".utf8)))
        try store.record(
            .providerStored(
                StoredProvider(
                    key: Array("k\(batch)".utf8), peer: try store.peer(at: key(batch)), addresses: [.test(batch)],
                    receivedAt: at, expiresAt: at.advanced(byMilliseconds: 100_000))))
    }
}

extension Workload {
    private static let creation = Workload(name: "creation") { ledger in
        var store: Store?
        try await ledger.step(isDurable: false) { store = try await open(ledger.path()) }
        guard let store else { return }
        // Everything in one commit; the first flush of a new file makes its name durable too.
        for number in 0..<5 { try store.hear(key(number)) }
        try await ledger.step { try await store.flush() }
        try await ledger.step { try await store.close() }
    }

    static let batches = Workload(name: "batches", prepare: filled) { ledger in
        let store = try await ledger.open(frames: 40)
        for batch in 4..<12 {
            try await record(store, batch)
            try await ledger.step(isDurable: false) { try await store.commit() }
            if batch % 3 == 1 { try await ledger.step { try await store.flush() } }
            if batch == 9 {
                // What a flush commits itself.
                try await record(store, 20)
                try await ledger.step { try await store.flush() }
            }
        }
        try await ledger.step { try await store.close() }
    }

    private static let loading = Workload(name: "import", prepare: filled) { ledger in
        let store = try await ledger.open(frames: 40)
        let numbers = (60..<110).sorted { key($0) < key($1) }
        func load(_ range: Range<Int>, candidates: Bool) async throws {
            var options = BulkOptions(now: .seconds(500))
            options.chunkRows = 20
            let loader = try store.bulkLoader(options)
            for number in numbers[range] {
                guard let id = PeerID(key(number).bytes()) else { continue }
                var peer = ImportedPeer(id: id, addresses: [.init(.test(number + 7))], source: "file")
                peer.agent = "imported/\(number % 7)"
                try loader.add(peer)
            }
            for number in candidates ? 0..<10 : 0..<0 {
                try loader.add(
                    Candidate(
                        address: .test(9_000 + number), firstSeen: .seconds(1), lastSeen: .seconds(2), source: "file"))
            }
            _ = try await loader.finish()
        }
        try await ledger.step(
            parts: [
                { try await load(0..<20, candidates: false) }, { try await load(20..<40, candidates: false) },
                { try await load(40..<50, candidates: true) },
            ]
        ) { try await load(0..<50, candidates: true) }
        try await ledger.step { try await store.close() }
    }

    private static let pruning = Workload(name: "prune", prepare: filled) { ledger in
        let store = try await ledger.open(frames: 40)
        func prune(_ set: (inout PruneRules) -> Void) async throws {
            var rules = PruneRules()
            set(&rules)
            _ = try await store.prune(rules)
        }
        func peers(_ rules: inout PruneRules) {
            rules.conditions = [.neverAnswered]
            rules.keep = 30
        }
        try await ledger.step(
            parts: [
                { try await prune(peers) }, { try await prune { $0.candidatesNotSeenSince = .seconds(2) } },
                { try await prune { $0.tombstonesBefore = .seconds(3) } },
                { try await prune { $0.expiredBy = .seconds(102) } },
            ]
        ) {
            try await prune { rules in
                peers(&rules)
                rules.candidatesNotSeenSince = .seconds(2)
                rules.tombstonesBefore = .seconds(3)
                rules.expiredBy = .seconds(102)
            }
        }
        try await ledger.step { try await store.close() }
    }

    private static let vacuum = Workload(name: "vacuum", prepare: filledUp) {
        ledger in
        let store = try await ledger.open()
        var rules = PruneRules()
        rules.conditions = [.neverAnswered]
        try await ledger.step { _ = try await store.prune(rules) }
        try await ledger.step { _ = try await store.vacuum() }
        try await record(store, 7)
        try await ledger.step { try await store.flush() }
        try await ledger.step { try await store.close() }
    }

    static let checkpoints = Workload(name: "checkpoint", prepare: filled) { ledger in
        let store = try await ledger.open()
        for batch in 4..<8 {
            try await record(store, batch)
            try await ledger.step(isDurable: false) { try await store.commit() }
            // An emptied log is durable; one that could not be emptied says nothing.
            try await ledger.step { _ = try await store.checkpoint() }
        }
        try await ledger.step { try await store.close() }
    }

    static func migration(from schema: String) -> Workload {
        Workload(name: "migrate \(schema)", prepare: older(schema)) { ledger in
            var options = MigrateOptions()
            options.now = ticking
            try await ledger.step { _ = try await Store.migrate(ledger.path(), options) }
        }
    }

    private static let opening = Workload(name: "open older", prepare: older("V0002")) { ledger in
        var store: Store?
        try await ledger.step { store = try await Store.open(ledger.path(), options: options()) }
        try await ledger.step { try await store?.close() }
    }

    private static func filledBoth(_ folder: String) async throws {
        try await fill(folder + "/a.db")
        try await fill(folder + "/b.db", peers: 10)
        try await leaveLog(folder + "/b.db")
    }

    private static let backup = Workload(name: "backup", files: ["a.db", "b.db"], prepare: filledBoth) { ledger in
        let store = try await ledger.open()
        try await record(store, 4)
        try await ledger.step(isDurable: false) { try await store.commit() }
        var options = BackupOptions()
        options.replaces = true
        try await ledger.step("b.db") { try await store.backup(to: ledger.path("b.db"), options) }
        try await ledger.step { try await store.close() }
    }

    private static let salvage = Workload(name: "salvage", prepare: damaged) { ledger in
        var options = SalvageOptions()
        options.now = ticking
        try await ledger.step { _ = try await Store.salvage(ledger.path(), options) }
    }

    /// A store of which a page of peers is zeros.
    private static func damaged(_ folder: String) async throws {
        let path = folder + "/a.db"
        try await fill(path)
        let (page, bytes) = try lastPage(path)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64((page - 1) * bytes))
        try file.write(contentsOf: Data(repeating: 0, count: Int(bytes)))
        try file.close()
    }

    /// The last page with rows of peers, and how long pages are.
    private static func lastPage(_ path: String) throws -> (page: Int64, bytes: Int64) {
        let connection = try Connection(path: path, access: .readWrite)
        return (
            try connection.integer("SELECT max(pageno) FROM dbstat WHERE name = 'peer' AND pagetype = 'leaf'"),
            try connection.integer("PRAGMA page_size")
        )
    }

    private static let restoring = restore("restore") { folder in
        try await fill(folder + "/a.db")
        try await leaveLog(folder + "/a.db")
        try await fill(folder + "/b.db", peers: 60)
    }

    private static let restoringNew = restore("restore anew") { try await fill($0 + "/b.db", peers: 60) }

    private static let restoringOtherPages = restore("restore other pages") { folder in
        try await fill(folder + "/a.db", peers: 30)
        try await leaveLog(folder + "/a.db")
        try await fill(folder + "/b.db", peers: 60, pageSize: 1_024)
    }

    private static func restore(
        _ name: String, prepare: @escaping @Sendable (String) async throws -> Void
    ) -> Workload {
        Workload(name: name, files: ["a.db", "b.db"], prepare: prepare) { ledger in
            var options = RestoreOptions()
            options.replaces = true
            options.now = ticking
            try await ledger.step {
                _ = try await Store.restore(ledger.path(), from: ledger.path("b.db"), options)
            }
        }
    }

    /// What a process that was killed leaves: commits that are in the log alone.
    private static func leaveLog(_ path: String) async throws {
        let aside = path + "-aside"
        let store = try await open(path)
        try store.hear(Key(1, 2, 3, 4))
        try await store.flush()
        try copy(path, aside)
        try copy(path + "-wal", aside + "-wal")
        try await store.close()
        try copy(aside, path)
        try copy(aside + "-wal", path + "-wal")
        try remove([aside, aside + "-wal"])
    }
}

extension Workload {
    private static func copy(_ from: String, _ to: String) throws {
        try? FileManager.default.removeItem(atPath: to)
        try FileManager.default.copyItem(atPath: from, toPath: to)
    }

    private static func remove(_ paths: [String]) throws {
        for path in paths { try FileManager.default.removeItem(atPath: path) }
    }
}
