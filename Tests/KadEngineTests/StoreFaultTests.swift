import KadStore
import Kademlia
import TestSupport
import Testing

@testable import KadEngine

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("A store that cannot write") struct StoreFaultTests {
    /// Holds the store's lock for writing, as a process that stands still does, while `body` runs.
    private func locked(_ files: TemporaryStore, _ body: () async throws -> Void) async throws {
        let descriptor = open(files.path + "-lock", O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 { try await pause() }
        try await body()
    }

    private func pause() async throws { try await Task.sleep(for: .milliseconds(5)) }

    @Test("is told of with the next mark of time, once until it works again")
    func told() async throws {
        let files = TemporaryStore()
        let world = try World(count: 2)
        let store = try await files.open(changing: {
            $0.waitMilliseconds = 10
            $0.batchMilliseconds = 10
        })
        var configuration = EngineConfiguration()
        configuration.maintains = false
        let engine = try await Setting.engine(store, world, configuration)
        world.take(engine.start(at: world.time))
        func mark() {
            world.advance(configuration.clockMilliseconds)
            world.take(engine.tick(at: world.time))
        }
        func until(isFailing: Bool) async throws {
            while (store.commitFault != nil) != isFailing { try await pause() }
        }
        func reports() -> Int { world.notes.count { if case .storeFailed(.locked) = $0 { true } else { false } } }

        for round in 1...2 {
            try await locked(files) {
                let peer = try store.peer(world.nodes[0].id)
                try store.record(.heard(peer, addresses: [], source: "test", at: world.wall))
                try await until(isFailing: true)
                for _ in 0..<3 { mark() }
            }
            #expect(reports() == round)
            try await until(isFailing: false)
            mark()
        }
        try await store.close()
    }

    @Test("on a full disk is told of once, likewise that its queue is full, and what that lost once it works again")
    func fullDisk() async throws {
        let disk = try FaultyDisk()
        let world = try World(count: 60)
        var options = StoreOptions()
        (options.batchMilliseconds, options.queueLimit) = (5, 40)
        let store = try await Store.open(disk.path("a.db"), mode: .create(.libp2p, .private), options: options)
        var configuration = EngineConfiguration()
        configuration.maintains = false
        let engine = try await Setting.engine(store, world, configuration)
        world.take(engine.start(at: world.time))
        try await store.flush()
        func mark() {
            world.advance(configuration.clockMilliseconds)
            world.take(engine.tick(at: world.time))
        }

        disk.plan(.full, [.write, .create], from: 1)
        let known = world.nodes.prefix(20)
        world.take(engine.introduce(known.map { ($0.id, [$0.address]) }, source: "test", at: world.time))
        while store.commitFault == nil { try await pause() }
        #expect(store.commitFault == .diskFull(path: disk.path("a.db")))
        for node in world.nodes {
            world.take(engine.introduce([(node.id, [node.address])], source: "test", at: world.time))
            mark()
        }
        // It goes on: whom it was told of last it knows, and asks.
        #expect(engine.table.count > 0 || !world.dialled.isEmpty)
        let failures = world.notes.compactMap { note in
            if case .storeFailed(let error) = note { error } else { nil }
        }
        #expect(failures == [.diskFull(path: disk.path("a.db")), .backlog(limit: 40)])

        disk.heal()
        while store.commitFault != nil { try await pause() }
        mark()
        let lost = world.notes.compactMap { if case .storeRecovered(let lost) = $0 { lost } else { nil } }
        #expect(lost.count == 1 && lost.allSatisfy { $0 > 0 })
        try await store.flush()
        for node in known { #expect(try store.record(of: node.key) != nil) }
        #expect(try await store.check(full: true).problems == [])
        try await store.close()
    }

    @Test("is told of where the file is damaged once when a row cannot be read, and once when nothing can be written")
    func damaged() async throws {
        let disk = try FaultyDisk()
        let path = disk.path("a.db")
        let world = try World(count: 200)
        var store = try await Store.open(path, mode: .create(.libp2p, .private))
        for node in world.nodes {
            try store.record(.heard(store.peer(node.id), addresses: [node.address], source: "test", at: world.wall))
        }
        try await store.close()
        try zeroPages(of: path, with: Array(world.nodes[100].id.bytes))

        var options = StoreOptions()
        options.batchMilliseconds = 5
        options.cacheKibibytes = 64
        store = try await Store.open(path, options: options)
        var configuration = EngineConfiguration()
        configuration.maintains = false
        let engine = try await Setting.engine(store, world, configuration)
        world.take(engine.start(at: world.time))
        /// A mark of time, and all that is known read.
        func round() {
            world.advance(configuration.clockMilliseconds)
            world.take(engine.tick(at: world.time))
            for node in world.nodes { world.take(engine.heard(from: node.id, address: node.address, at: world.time)) }
        }
        func failures() -> [StoreError] {
            world.notes.compactMap { if case .storeFailed(let error) = $0 { error } else { nil } }
        }
        for _ in 0..<3 { round() }
        while store.commitFault == nil { try await pause() }
        for _ in 0..<6 { round() }
        #expect(failures().count == 2)
        #expect(failures().allSatisfy { if case .corrupt = $0 { true } else { false } }, "\(failures())")
        // Nothing that went well meanwhile shows that it is sound again.
        #expect(!world.notes.contains { if case .storeRecovered = $0 { true } else { false } })
        withExtendedLifetime(store) {}
    }

    /// Makes zeros of the pages on which bytes stand, before anybody has the file open.
    private func zeroPages(of path: String, with bytes: [UInt8]) throws {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var file = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        try #require(pread(descriptor, &file, file.count, 0) == file.count)
        let pageBytes = Int(file[16]) << 8 | Int(file[17])
        let zeros = [UInt8](repeating: 0, count: pageBytes)
        var count = 0
        for start in stride(from: pageBytes, to: file.count, by: pageBytes) {
            guard file[start..<start + pageBytes].contains(bytes) else { continue }
            try #require(pwrite(descriptor, zeros, pageBytes, off_t(start)) == pageBytes)
            count += 1
        }
        try #require(count > 0)
    }
}
