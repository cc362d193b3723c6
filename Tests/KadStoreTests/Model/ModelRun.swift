import Foundation
import Kademlia
import Multiformats
import Synchronization

@testable import KadStore

/// Where store and model differ, or what failed.
struct ModelDifference: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    static func require<Value: Equatable>(_ what: @autoclosure () -> String, _ found: Value, _ expected: Value) throws {
        guard found != expected else { return }
        throw ModelDifference("\(what())\n  store: \(found)\n  model: \(expected)")
    }
}

/// Does the same to a store and to the model, and compares.
final class ModelRun {
    struct Setup {
        var network = Network.plain
        var limits = HoldingLimits()
        /// Events that make a batch; nil commits only when told to.
        var batchCount: Int?
        /// Events that may wait.
        var queueLimit = 16_384
    }

    private final class Clock: Sendable {
        let now = Mutex(Instant.seconds(0))
    }

    private let setup: Setup
    private let clock = Clock()
    private var scratch = Scratch()
    /// Folders that backups lie in, or that crashed stores still have open.
    private var others: [Scratch] = []
    private var stores: [Store] = []
    private var pending: [[StoreEvent]] = [[], []]
    private var committed: ModelState
    private var backups: [(path: String, state: ModelState)] = []
    private var names = 0

    init(_ setup: Setup) {
        self.setup = setup
        committed = ModelState(limits: setup.limits)
    }

    private var now: Instant { clock.now.withLock { $0 } }

    private var options: StoreOptions {
        var options = StoreOptions()
        options.batchCount = setup.batchCount ?? .max
        (options.batchMilliseconds, options.syncMilliseconds) = (3_600_000, 3_600_000)
        options.queueLimit = setup.queueLimit
        options.holdingLimits = setup.limits
        options.cacheKibibytes = 512
        let clock = clock
        options.now = { clock.now.withLock { $0 } }
        return options
    }

    private func freshName() -> String {
        names += 1
        return scratch.path("\(names).db")
    }

    /// - Throws: ``ModelDifference`` where they differ, with the step.
    func run(_ operations: [ModelOperation]) async throws {
        for _ in 0..<2 {
            stores.append(
                try await Store.open(scratch.path(), mode: .create(setup.network, .private), options: options))
        }
        for (step, operation) in operations.enumerated() {
            do {
                try await apply(operation)
            } catch {
                for store in stores { try? await store.close() }
                throw ModelDifference("step \(step), \(operation): \(error)")
            }
        }
        for index in stores.indices { try await close(index) }
    }

    // MARK: Steps

    private func commit(_ index: Int) {
        committed.commit(pending[index])
        pending[index] = []
    }

    private func close(_ index: Int) async throws {
        try await stores[index].close()
        commit(index)
    }

    private func apply(_ operation: ModelOperation) async throws {
        switch operation {
        case .record(let event, let index): try await record(event, index)
        case .table(let identity, let depth, let live, let waiting, let refreshedAt):
            try await recordTable(identity, depth, live, waiting, refreshedAt)
        case .refused(let event, let index):
            guard (try? stores[index].record(event)) == nil else { throw ModelDifference("was taken") }
        case .manyLookups(let summary, let count, let index):
            for _ in 0..<count { try await record(.lookedUp(summary), index) }
        case .commit(let index): try await noticed(by: 1 - index) { try await stores[index].commit() }
        case .flush(let index):
            try await stores[index].flush()
            commit(index)
        case .reopen(let index):
            try await close(index)
            stores[index] = try await Store.open(scratch.path(), options: options)
            try ModelDifference.require("peer cap", stores[index].peerCap, committed.peerCap)
        case .crash: try await crash()
        case .clock(let instant): clock.now.withLock { $0 = instant }
        case .vacuum(let index):
            commit(index)
            try ModelDifference.require("the log is empty", try await stores[index].vacuum().isLogEmpty, true)
        case .checkpoint(let index):
            commit(index)
            try ModelDifference.require("the log is empty", try await stores[index].checkpoint().isLogEmpty, true)
        case .backup(let index): try await backup(index)
        case .restore(let number): try await restore(number)
        case .salvage(let isDamaged): try await salvage(isDamaged: isDamaged)
        case .copy(let index):
            commit(index)
            try await stores[index].commit()
            try await copy()
        case .check(let index): try await check(index)
        case .compare(let seed): try await compare(seed)
        default: try await change(operation)
        }
    }

    /// Steps that write at once, and tell what they did.
    private func change(_ operation: ModelOperation) async throws {
        switch operation {
        case .sweep(let index):
            let report = try await stores[index].sweepValues(at: now)
            commit(index)
            try ModelDifference.require("sweep", report, committed.values.sweep(at: now))
        case .prune(let rules, let isDryRun, let index):
            let report = try await stores[index].prune(rules, isDryRun: isDryRun)
            commit(index)
            var pruned = committed
            var expected = pruned.prune(rules, at: now)
            if isDryRun { expected = committed.foreseen(expected, rules) }
            try ModelDifference.require("prune", report, expected)
            if !isDryRun { committed = pruned }
        case .forgive(let key, let index):
            let count = try await stores[index].forgive(key)
            commit(index)
            try ModelDifference.require("forgiven", count, committed.forgive([key]))
        case .forgiveAll(let index):
            let count = try await stores[index].forgiveAll()
            commit(index)
            let keys = Set(committed.peers.keys).union(committed.tombstones.keys)
            try ModelDifference.require("forgiven", count, committed.forgive(keys))
        case .load(let peers, let candidates, let options, let index):
            let loader = try stores[index].bulkLoader(options)
            for peer in peers { try loader.add(peer) }
            for candidate in candidates { try loader.add(candidate) }
            let summary = try await loader.finish()
            commit(index)
            let expected = committed.load(peers, candidates, options, width: setup.network.keyByteCount)
            try ModelDifference.require("load", summary, expected)
        case .identity(let id, let index):
            let identity = try await stores[index].identity(id)
            if !committed.identities.contains(where: { $0.peer.id == id }) {
                let number = Int64(committed.identities.count + 1)
                committed.identities.append(
                    Identity(number: number, peer: try stores[index].peer(id), label: "", createdAt: now))
            }
            try ModelDifference.require("identity", identity, committed.identities.first { $0.peer.id == id })
        case .beginCrawl(let isNew, let index):
            let begun = try await stores[index].beginCrawl(anew: isNew, at: now)
            commit(index)
            let expected = committed.beginCrawl(anew: isNew, at: now)
            try ModelDifference.require("crawl", begun.crawl, expected.crawl)
            try ModelDifference.require("resumed", begun.isResumed, expected.isResumed)
        case .endCrawl(let number, let isComplete, let index):
            let ended = try await stores[index].endCrawl(number, isComplete: isComplete, at: now)
            commit(index)
            if committed.runningCrawl?.number == number { committed.endCrawl(isComplete: isComplete, at: now) }
            try ModelDifference.require("crawl", ended, committed.crawls.first { $0.number == number })
        case .raisePeerCap(let count, let index):
            let cap = try await stores[index].raisePeerCap(to: count)
            committed.peerCap = max(committed.peerCap, count)
            guard cap >= count, cap <= committed.peerCap else { throw ModelDifference("the cap is \(cap)") }
        default: break
        }
    }

    private func record(_ event: StoreEvent, _ index: Int) async throws {
        if pending[index].count >= setup.queueLimit {
            do throws(StoreError) {
                try stores[index].record(event)
            } catch .backlog {
                return
            }
            throw ModelDifference("was taken although \(pending[index].count) events wait")
        }
        try stores[index].record(event)
        pending[index].append(event)
        guard let limit = setup.batchCount, pending[index].count >= limit else { return }
        // The commit stands in the queue already; this stands behind it.
        try await stores[index].writer?.perform { _ in }
        commit(index)
    }

    /// As a node would write them: each contact in the bucket that its key leads to, the least recently seen first.
    private func recordTable(
        _ number: Int64, _ depth: Int, _ live: [Contact], _ waiting: [Contact], _ refreshedAt: Instant?
    ) async throws {
        // Two processes never run as one identity.
        let index = Int(number) % 2
        guard let identity = committed.identities.first(where: { $0.number == number }),
            pending[index].count + 20 < setup.queueLimit
        else { return }
        let known = committed.after(pending[index]).buckets.keys.filter { $0.identity == number }.map(\.index).max()
        let last = max(depth, known ?? 0)
        var taken: Set<Key> = [identity.peer.key]
        func sorted(_ contacts: [Contact]) -> [Contact] {
            contacts.filter { taken.insert($0.key).inserted }.sorted { $0.lastSeen < $1.lastSeen }
        }
        let (live, waiting) = (sorted(live), sorted(waiting))
        for bucket in 0...last {
            func isHere(_ contact: Contact) -> Bool {
                min(last, contact.key.commonPrefixLength(with: identity.peer.key)) == bucket
            }
            let snapshot = BucketSnapshot(
                index: bucket, refreshedAt: refreshedAt, live: live.filter(isHere), replacements: waiting.filter(isHere)
            )
            try await record(.bucket(snapshot, identity: number), index)
        }
    }

    /// Commits something, and sees whether another store on the file notices.
    private func noticed(by other: Int, _ body: () async throws -> Void) async throws {
        func look() async throws -> Int64 {
            _ = stores[other].foreignCommits()
            try await stores[other].writer?.perform { _ in }
            return stores[other].foreignCommits()
        }
        let before = try await look()
        try await body()
        let isChanged = !pending[1 - other].isEmpty
        commit(1 - other)
        let after = try await look()
        guard after > before || !isChanged else { throw ModelDifference("a foreign commit was not noticed") }
    }

    /// What a copy of the files knows is what was committed, and nothing else.
    private func crash() async throws {
        let copy = Scratch()
        for suffix in ["", "-wal"] {
            try? FileManager.default.copyItem(atPath: scratch.path() + suffix, toPath: copy.path() + suffix)
        }
        for store in stores { try await store.close() }
        others.append(scratch)
        scratch = copy
        pending = [[], []]
        stores = []
        for _ in 0..<2 { stores.append(try await Store.open(scratch.path(), options: options)) }
        try await compare(1)
    }

    private func backup(_ index: Int) async throws {
        let path = freshName()
        let report = try await stores[index].backup(to: path)
        commit(index)
        try ModelDifference.require("peers of the backup", report.peers, committed.peers.count)
        backups.append((path, committed))
        try await compareReadOnly(path, committed)
    }

    private func restore(_ number: Int) async throws {
        guard !backups.isEmpty else { return }
        let backup = backups[number % backups.count]
        for index in stores.indices { try await close(index) }
        var options = RestoreOptions()
        (options.replaces, options.keepsOld) = (true, false)
        _ = try await Store.restore(scratch.path(), from: backup.path, options)
        committed = backup.state
        stores = []
        for _ in 0..<2 { stores.append(try await Store.open(scratch.path(), options: self.options)) }
        try await compare(2)
    }

    private func salvage(isDamaged: Bool) async throws {
        for index in stores.indices { try await close(index) }
        if isDamaged {
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: scratch.path()))
            try file.write(contentsOf: Data(repeating: 0, count: 16))
            try file.close()
        }
        var options = SalvageOptions()
        let clock = clock
        options.now = { clock.now.withLock { $0 } }
        let report = try await Store.salvage(scratch.path(), options)
        try ModelDifference.require("outcome", report.outcome, isDamaged ? .salvaged : .sound)
        try ModelDifference.require("rows lost", report.lost, 0)
        try ModelDifference.require("peers", report.peers, committed.peers.count)
        stores = []
        for _ in 0..<2 { stores.append(try await Store.open(scratch.path(), options: self.options)) }
        try await compare(4)
    }

    /// Every field into a new file, but for what no such copy has.
    private func copy() async throws {
        var state = committed
        (state.values.values, state.values.providers) = ([], [])
        (state.crawls, state.visits, state.peerCap) = ([], [:], Store.defaultPeerCap)
        var items: [RestoreItem] = state.peers.values.map { .peer($0.record) }
        items += state.candidates.values.map { .candidate($0) }
        items += state.tombstones.values.map { .tombstone($0) }
        items += state.identities.map { .identity($0) }
        items += state.buckets.map { .bucket($0.value, identity: $0.key.identity) }
        if let clock = state.clock { items.append(.clock(clock)) }
        items += state.held.values.map { .held($0) }
        items.append(.witnesses(state.witnesses, canaryAt: state.canaryAt))
        items += state.online.sessions.map { .session($0) }
        items += state.lookups.map { .lookup($0) }
        items += state.lookupTotals.values.map { .lookupTotals($0) }
        let path = freshName()
        let store = try await Store.open(path, mode: .create(setup.network, .private), options: options)
        let left = Mutex(Array(items.reversed()))
        try await store.restore { left.withLock { $0.popLast() } }
        try await store.close()
        try await compareReadOnly(path, state)
    }

    private func check(_ index: Int) async throws {
        let report = try await stores[index].check(full: true)
        commit(index)
        try ModelDifference.require("problems", report.problems.map { "\($0)" }, [])
        try ModelDifference.require("recount", try await stores[index].recount(), 0)
        let statistics = try await stores[index].statistics()
        try ModelComparison.compare(statistics, committed, at: now)
    }

    private func compare(_ seed: UInt64) async throws {
        for (index, store) in stores.enumerated() {
            var comparison = ModelComparison(
                store: store, network: setup.network, committed: committed, visible: committed.after(pending[index]),
                isQueueEmpty: pending[index].isEmpty, now: now, random: SeededGenerator(seed: seed))
            try comparison.run()
        }
        if seed.isMultiple(of: 4) { try await compareReadOnly(scratch.path(), committed) }
    }

    private func compareReadOnly(_ path: String, _ state: ModelState) async throws {
        let reader = try await Store.open(path, mode: .readOnly, options: options)
        var comparison = ModelComparison(
            store: reader, network: setup.network, committed: state, visible: state, isQueueEmpty: true, now: now,
            random: SeededGenerator(seed: 3))
        try comparison.run()
        try ModelDifference.require("peer cap", reader.peerCap, state.peerCap)
        try await reader.close()
    }
}
