import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Salvage in place")
struct SalvageFileTests {
    private func data(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    private func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    private func zero(_ page: Int, of path: String) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: UInt64((page - 1) * SalvageOracle.pageBytes))
        try handle.write(contentsOf: Data(repeating: 0, count: SalvageOracle.pageBytes))
        try handle.close()
    }

    @Test("keeps the damaged bytes, puts a sound store in their place, and has nothing left to do the second time")
    func inPlace() async throws {
        for page in [1, 5] {
            let scratch = Scratch()
            let oracle = try await SalvageOracle.make(scratch.path(), peers: 300, valueBytes: 30_000)
            try zero(page, of: oracle.path)
            let damaged = try data(oracle.path)
            let report = try await Store.salvage(oracle.path)
            #expect(report.outcome == .salvaged && report.output == oracle.path)
            let kept = try #require(report.kept.first)
            #expect(kept.contains("peers.db.corrupt-") && report.kept.count == 1)
            #expect(try data(kept) == damaged)
            #expect(try SalvageOracle.rows(oracle.path)["peer"]?.count == report.peers)
            let name = kept.split(separator: "/").last.map(String.init) ?? ""
            let left = try files(scratch.folder).filter { !["peers.db", "peers.db-lock", name].contains($0) }
            #expect(
                left.filter { !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") } == [], "no journal, nothing temporary")
            for mode in [OpenMode.readOnly, .readWrite] {
                let store = try await Store.open(oracle.path, mode: mode)
                #expect(try await store.check(full: true).isSound)
                try await store.close()
            }
            let again = try await Store.salvage(oracle.path)
            #expect(again.outcome == .sound && again.kept.isEmpty)
            // Damaged once more: what was kept stays beside what is kept now.
            try zero(page, of: oracle.path)
            let second = try await Store.salvage(oracle.path)
            #expect(second.kept != report.kept && second.outcome == .salvaged)
            #expect(try data(kept) == damaged)
        }
    }

    @Test("whatever became of the header")
    func header() async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path("whole.db"), peers: 300, valueBytes: 30_000)
        let whole = Array(try data(oracle.path))
        let path = scratch.path()
        var generator = SeededGenerator(seed: 8)
        var damages: [[(Int, UInt8)]] = [0, 2, 16, 32, 64, 128].map { [(16, $0), (17, 0)] }
        damages += [[(16, 0), (17, 1)], [(20, 32)], [(18, 9), (19, 9)], (0..<100).map { ($0, 0xff) }]
        for _ in 0..<8 {
            damages.append(
                (0..<6).map { _ in (.random(in: 0..<100, using: &generator), .random(in: 0...255, using: &generator)) })
        }
        for damage in damages {
            var bytes = whole
            for (place, byte) in damage { bytes[place] = byte }
            for end in ["", "-wal", "-shm"] { unlink(path + end) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let report = try await Store.salvage(path)
            #expect(try SalvageOracle.rows(path) == oracle.rows, "\(damage) \(report)")
            let store = try await Store.open(path)
            #expect(try await store.check(full: true).isSound)
            try await store.close()
        }
    }

    @Test("is refused while anyone has the file open, and changes nothing then")
    func inUse() async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path(), peers: 300, valueBytes: 10)
        let store = try await Store.open(oracle.path)
        _ = try store.peers()
        try zero(7, of: oracle.path)
        let before = try data(oracle.path)
        var options = SalvageOptions()
        options.waitMilliseconds = 60
        await #expect {
            _ = try await Store.salvage(oracle.path, options)
        } throws: {
            if case StoreError.inUse = $0 { true } else { false }
        }
        #expect(try data(oracle.path) == before)
        #expect(try files(scratch.folder).contains { $0.contains("corrupt") } == false)
        try? await store.close()
    }

    @Test("that is stopped at any moment leaves the damaged file as it was, or the result")
    func stopped() async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path("whole.db"), peers: 300, valueBytes: 30_000)
        let path = scratch.path()
        var runs = 0
        for moment in 0..<4 {
            try? FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: oracle.path, toPath: path)
            try zero(5, of: path)
            let damaged = try data(path)
            let stop = Stop(after: moment)
            var options = SalvageOptions()
            // Asked for before the rows are read, and before the damaged file is copied.
            options.now = {
                stop.tick()
                return .seconds(0)
            }
            let task = Task { [options] in try await Store.salvage(path, options) }
            stop.task = task
            do {
                let report = try await task.value
                #expect(report.outcome == .salvaged)
            } catch StoreError.interrupted {
                runs += 1
                #expect(try data(path) == damaged)
            }
            let report = try await Store.salvage(path)
            let store = try await Store.open(path)
            #expect(try await store.check(full: true).isSound && report.outcome != .salvageable)
            try await store.close()
        }
        #expect(runs > 0)
    }

    @Test("refuses what is no store, and leaves it as it is")
    func foreign() async throws {
        let scratch = Scratch()
        let path = scratch.path()
        var generator = SeededGenerator(seed: 5)
        let noise = (0..<40_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for (name, bytes) in [
            ("text", Array("hello\n".utf8)), ("noise", noise), ("zeros", [UInt8](repeating: 0, count: 20_000)),
        ] {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            await #expect("\(name)") {
                _ = try await Store.salvage(path)
            } throws: {
                if case StoreError.notAStore = $0 { true } else { false }
            }
            #expect(try data(path) == Data(bytes))
        }
        try FileManager.default.removeItem(atPath: path)
        do {
            let other = try Connection(path: path, access: .create)
            try other.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        }
        await #expect {
            _ = try await Store.salvage(path)
        } throws: {
            if case StoreError.notAStore = $0 { true } else { false }
        }
        try Data().write(to: URL(fileURLWithPath: path))
        await #expect(throws: StoreError.emptyDatabase(path: path)) { _ = try await Store.salvage(path) }
        #expect(try files(scratch.folder).contains { $0.contains("corrupt") } == false)
    }

    @Test("works out what the network is when its description is lost, or asks")
    func network() async throws {
        for network in [Network.libp2p, .mainline] {
            let scratch = Scratch()
            try await scratch.withStore(network) { store in
                for number in 0..<300 {
                    let id =
                        network == .libp2p
                        ? try #require(SalvageOracle.id(number))
                        : try #require(PeerID(Array(SalvageOracle.id(number)!.bytes.suffix(20))))
                    try store.record(
                        .heard(try store.peer(id), addresses: [.test(number)], source: "s", at: .seconds(0)))
                }
                try await store.flush()
            }
            let path = scratch.path()
            // The description stands in the page of its table alone.
            do {
                let connection = try Connection(path: path, access: .readOnly)
                let root = try connection.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'network'")
                try zero(Int(root), of: path)
            }
            if network == .mainline {
                await #expect {
                    _ = try await Store.salvage(path)
                } throws: {
                    if case StoreError.invalidArgument(let text) = $0 { text.contains("--network") } else { false }
                }
            }
            var options = SalvageOptions()
            if network == .mainline { options.network = .mainline }
            let report = try await Store.salvage(path, options)
            #expect(report.isNetworkInferred && report.isSaltNew && report.network == network)
            #expect(report.scope == .private && report.peers == 300, "\(report.tables)")
        }
    }
}

extension Scratch {
    fileprivate func withStore(_ network: Network, _ body: (Store) async throws -> Void) async throws {
        try await withStore("peers.db", network, body)
    }
}

/// Cancels a task at its n-th sign of life.
private final class Stop: @unchecked Sendable {
    private let lock = NSLock()
    private var left: Int
    private var stored: Task<SalvageReport, any Error>?

    init(after moment: Int) { left = moment }

    var task: Task<SalvageReport, any Error>? {
        get { lock.withLock { stored } }
        set { lock.withLock { stored = newValue } }
    }

    func tick() {
        let isDue = lock.withLock {
            left -= 1
            return left < 0
        }
        if isDue { task?.cancel() }
    }
}
