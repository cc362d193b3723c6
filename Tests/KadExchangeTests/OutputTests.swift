import Foundation
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("Input and output")
struct OutputTests {
    let scratch = Scratch()

    private func mode(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_mode & 0o777) : -1
    }

    @Test("a new file is its owner's alone; one that is replaced keeps its permissions; a link stays a link")
    func permissions() async throws {
        let store = try await scratch.store()
        let path = scratch.path("out")
        _ = try await store.exportPeers(to: path)
        #expect(mode(path) == 0o600)
        chmod(path, 0o644)
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: path)
        try store.record(.heard(try store.peer(.test(1)), addresses: [], source: nil, at: .seconds(0)))
        _ = try await store.exportPeers(to: scratch.path("link"))
        #expect(mode(path) == 0o644)
        #expect(String(decoding: read(path), as: UTF8.self).contains(PeerID.test(1).text))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path("link")) == path)
    }

    @Test("a link to a file that is not there yet is followed; the longest name can be written")
    func names() async throws {
        let store = try await scratch.store()
        try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: "new")
        _ = try await store.exportPeers(to: scratch.path("link"))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path("link")) == "new")
        #expect(!read(scratch.path("new")).isEmpty)
        let long = scratch.path(String(repeating: "n", count: 255))
        _ = try await store.exportPeers(to: long)
        #expect(!read(long).isEmpty)
    }

    @Test("a database, and what lies beside one, is not written over")
    func databases() async throws {
        let store = try await scratch.store()
        let other = try scratch.write("SQLite format 3\0and more", "other.db")
        for name in ["", "-wal", "-shm", "-journal", "-lock"] {
            await #expect(throws: ExchangeError.isDatabase(name: other + name)) {
                try await store.exportPeers(to: other + name)
            }
        }
        #expect(read(other) == Array("SQLite format 3\0and more".utf8))
        #expect(!FileManager.default.fileExists(atPath: other + "-wal"))
    }

    @Test("an export that fails leaves the old file and nothing beside it")
    func failure() async throws {
        let store = try await scratch.store()
        let path = try scratch.write("old", "out")
        let before = try FileManager.default.contentsOfDirectory(atPath: scratch.folder).sorted()
        try await store.close()
        await #expect(throws: ExchangeError.self) { try await store.exportPeers(to: path) }
        #expect(read(path) == Array("old".utf8))
        let after = try FileManager.default.contentsOfDirectory(atPath: scratch.folder).sorted()
        #expect(after.filter { $0.hasPrefix(".kadstore-") }.isEmpty)
        #expect(before.filter { $0.hasPrefix(".kadstore-") }.isEmpty)
        await #expect(
            throws: ExchangeError.system(operation: "open for writing", name: "/no/such/folder/x", code: ENOENT)
        ) {
            let other = try await scratch.store()
            return try await other.exportPeers(to: "/no/such/folder/x")
        }
    }

    @Test("whoever stops between two pages leaves no reader behind: the closed store has no log")
    func stoppedPages() async throws {
        let store = try await scratch.store(name: "stopped.db")
        let now = Instant.systemClock()
        for index in UInt64(0)..<4_000 {
            try store.record(.heard(store.peer(.test(index)), addresses: [], source: nil, at: now))
        }
        try await store.close()
        // Whether the next page is still being read then is a matter of chance.
        for _ in 0..<12 {
            let store = try await Store.open(scratch.path("stopped.db"), mode: .readOnly)
            var pages: StorePages? = StorePages(store, filter: .all)
            #expect(try pages?.nextPeers()?.records.isEmpty == false)
            pages = nil
            try await store.close()
            let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
            #expect(names.filter { $0.hasPrefix("stopped.db-") } == ["stopped.db-lock"])
        }
    }

    @Test("a closed pipe is an error, not the end of the process")
    func brokenPipe() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        close(ends[0])
        let sink = ByteSink(descriptor: ends[1], name: "pipe")
        sink.buffer = [1, 2, 3]
        #expect(throws: ExchangeError.brokenPipe(name: "pipe")) { try sink.flush() }
        #expect(throws: ExchangeError.brokenPipe(name: "pipe")) { try sink.flush() }
        close(ends[1])
    }

    @Test("a full device is named", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func full() async throws {
        let store = try await scratch.store()
        await #expect(throws: ExchangeError.diskFull(name: "/dev/full")) {
            try await store.exportPeers(to: "/dev/full")
        }
    }

    @Test("a pipe is read in pieces, however small")
    func pipes() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let bytes = read(fixture("nebula-visits.ndjson"))
        let writer = ends[1]
        // On a thread of its own: opening the source blocks one of the few that tasks have.
        Thread.detachNewThread {
            for start in stride(from: 0, to: bytes.count, by: 700) {
                _ = bytes[start..<min(bytes.count, start + 700)].withUnsafeBytes {
                    write(writer, $0.baseAddress, $0.count)
                }
            }
            close(writer)
        }
        let source = try ImportSource.open(descriptor: ends[0], name: "pipe")
        #expect(source.size == nil)
        let store = try await scratch.store()
        let report = try await store.importPeers(from: source, .test)
        #expect(report.summary.peers.added == 24)
        #expect(try store.allPeers().first?.source == "file:pipe")
    }

    @Test("whoever waits for a silent pipe can be stopped, from the first byte on", .timeLimit(.minutes(15)))
    func silentPipe() async throws {
        let store = try await scratch.store()
        for line in ["", "/ip4/10.0.0.1/udp/1\n"] {
            var ends: [Int32] = [0, 0]
            #expect(pipe(&ends) == 0)
            let (reader, writer) = (ends[0], ends[1])
            let bytes = Array(repeating: Array(line.utf8), count: FileSample.limit).joined().prefix(
                FileSample.limit + 9)
            // A pipe need not hold as much as is looked at: the rest is written as it is read.
            Thread.detachNewThread { _ = Array(bytes).withUnsafeBytes { write(writer, $0.baseAddress, $0.count) } }
            let task = Task {
                try await store.importPeers(from: ImportSource.open(descriptor: reader, name: "pipe"), .test)
            }
            try await Task.sleep(for: .milliseconds(line.isEmpty ? 0 : 50))
            task.cancel()
            await #expect(throws: ExchangeError.cancelled) { try await task.value }
            close(writer)
        }
        #expect(try store.allCandidates().isEmpty)
    }

    @Test("with a filter an export has peers alone", arguments: [ExchangeFormat.native, .multiaddrs])
    func filtered(format: ExchangeFormat) async throws {
        let store = try await scratch.store()
        let list = "/ip4/10.0.0.1/udp/1\n/ip4/10.0.0.2/udp/1/p2p/\(PeerID.test(1).text)\n"
        _ = try await scratch.import(list, into: store)
        for (filter, count) in [(PeerFilter.all, 1), (.hasAddress, 0)] {
            var options = ExportOptions()
            options.format = format
            options.filter = filter
            let report = try await store.exportPeers(to: scratch.path("out"), options)
            #expect(report.peers == 1 && report.candidates == count)
        }
    }

    @Test("progress and rejections are told as they happen")
    func progress() async throws {
        let store = try await scratch.store()
        var text = "garbage\n"
        for index in 0..<20_000 { text += "/ip4/10.\(index >> 16).\(index >> 8 & 255).\(index & 255)/udp/1\n" }
        let told = Mutex((rejections: 0, last: ImportProgress.reading(records: 0, bytes: 0, of: nil), calls: 0))
        let size = Int64(text.utf8.count)
        let options = ImportOptions.test {
            $0.onRejection = { _ in told.withLock { $0.rejections += 1 } }
            $0.onProgress = { progress in
                told.withLock {
                    $0.calls += 1
                    if case .reading(_, let bytes, let total) = progress { #expect(bytes <= size && total == size) }
                    $0.last = progress
                }
            }
        }
        let report = try await scratch.import(text, into: store, options)
        #expect(report.summary.candidates.added == 20_000)
        told.withLock {
            #expect($0.rejections == 1 && $0.calls >= 4)
            #expect($0.last == .writing(records: 20_000, of: 20_000))
        }
    }

    @Test("multiaddrs go out a line each, and come back")
    func multiaddrs() async throws {
        let store = try await scratch.store()
        _ = try await store.importPeers(from: ImportSource.open(fixture("ipfs-cluster.peerstore")), .test)
        _ = try await scratch.import("/ip4/10.0.0.2/udp/4001/quic-v1\n/p2p/\(PeerID.test(7).text)\n", into: store)
        let text = try await scratch.exportText(store, .multiaddrs)
        let lines = Set(text.split(separator: "\n"))
        let sample = String(decoding: read(fixture("ipfs-cluster.peerstore")), as: UTF8.self)
        #expect(Set(sample.split(separator: "\n")).isSubset(of: lines))
        #expect(lines.count == 15)
        let copy = try await scratch.store()
        #expect(try await scratch.import(text, into: copy).isComplete)
        #expect(try await scratch.exportText(copy, .multiaddrs) == text)
    }

    @Test("an import that is cancelled changes nothing")
    func cancellation() async throws {
        let store = try await scratch.store()
        var text = ""
        for index in 0..<40_000 { text += "/ip4/10.\(index >> 16).\(index >> 8 & 255).\(index & 255)/udp/1\n" }
        let source = try ImportSource.open(try scratch.write(text))
        let task = Task { try await store.importPeers(from: source, .test) }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
        #expect(try store.allCandidates().count < 40_000)
    }

    @Test("a read-only or closed store is refused before anything is read")
    func refusals() async throws {
        let store = try await scratch.store()
        let path = store.path
        try await store.close()
        let reader = try await Store.open(path, mode: .readOnly)
        await #expect(throws: ExchangeError.store(.readOnly(path: path))) {
            try await reader.importPeers(from: ImportSource.open(fixture("kubo-bootstrap.txt")), .test)
        }
    }
}
