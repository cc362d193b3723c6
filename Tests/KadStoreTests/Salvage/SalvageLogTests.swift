import Foundation
import Kademlia
import Multiformats
import Testing

@testable import KadStore

@Suite("Salvage and the log")
struct SalvageLogTests {
    /// A file and its log as a killed process leaves them, with rows that only the log has.
    private func withLog(
        _ body: (_ path: String, _ all: [String: Set<String>], _ inFile: [String: Set<String>]) async throws -> Void
    ) async throws {
        let scratch = Scratch()
        let oracle = try await SalvageOracle.make(scratch.path("whole.db"), peers: 200, valueBytes: 9_000)
        let path = scratch.path()
        do {
            let store = try await Store.open(oracle.path)
            for number in 0..<150 {
                let peer = try store.peer(try #require(SalvageOracle.id(50_000 + number)))
                try store.record(.heard(peer, addresses: [.test(number)], source: "late", at: .seconds(9_000)))
                if number % 50 == 49 { try await store.flush() }
            }
            for end in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: oracle.path + end, toPath: path + end)
            }
            try await store.close()
        }
        try await body(path, try SalvageOracle.rows(oracle.path), oracle.rows)
    }

    private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        body(&bytes)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func salvage(_ path: String) async throws -> (SalvageReport, [String: Set<String>]) {
        var options = SalvageOptions()
        options.output = path + ".saved-\(UInt64.random(in: 0 ... .max))"
        let report = try await Store.salvage(path, options)
        return (report, try SalvageOracle.rows(report.output ?? path))
    }

    @Test("what it has of a damaged page is taken from it")
    func heals() async throws {
        try await withLog { path, all, _ in
            // Page 1 is in every commit that allocates pages.
            try change(path) { for index in 0..<4_096 { $0[index] = 0 } }
            let (report, rows) = try await salvage(path)
            #expect(rows == all)
            #expect(report.log.kind == .whole && report.log.frames > 0)
        }
    }

    @Test("it is taken as far as its checksums go, and what follows is told of")
    func garbled() async throws {
        try await withLog { path, all, inFile in
            try change(path) { $0[5 * 4_096 + 3] ^= 0xff }
            try change(path + "-wal") { $0[$0.count / 2] ^= 1 }
            let (report, rows) = try await salvage(path)
            #expect(report.log.kind == .broken && report.log.framesIgnored > 0)
            let peers = try #require(rows["peer"])
            let new = peers.subtracting(all["peer"] ?? [])
            #expect(new.count == 0, "\(new) \(report)")
            // What stands behind the damage is there as well.
            #expect(peers.count > (inFile["peer"]?.count ?? 0) + 60, "\(report)")
        }
    }

    @Test("what stands behind a damaged page of it is left as it is by whoever reads, and kept once by whoever writes")
    func broken() async throws {
        try await withLog { path, all, _ in
            try change(path + "-wal") { $0[$0.count / 2] ^= 1 }
            let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            let file = try Data(contentsOf: URL(fileURLWithPath: path))
            let store = try await Store.open(path, mode: .readOnly)
            let check = try await store.check(full: true)
            #expect(check.isSound && check.logFault?.contains("finished commits stand behind it") == true)
            let known = try store.countPeers()
            try await store.close()
            #expect(try Data(contentsOf: URL(fileURLWithPath: path + "-wal")) == log)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == file)

            // A copy of the two is written; a second store on it finds the log kept already.
            let copy = path + ".copy"
            for end in ["", "-wal"] { try FileManager.default.copyItem(atPath: path + end, toPath: copy + end) }
            let writer = try await Store.open(copy)
            let kept = try #require(writer.keptLog)
            #expect(kept.hasPrefix(copy + ".corrupt-") && kept.hasSuffix("-wal"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: kept)) == log)
            #expect(try writer.countPeers() == known)
            try writer.hear(Key(7, 7, 7, 7))
            try await writer.commit()
            let second = try await Store.open(copy)
            #expect(second.keptLog == nil)
            try await second.close()
            try await writer.close()

            var options = SalvageOptions()
            options.looksBehindLog = false
            #expect(try await Store.salvage(path, options).outcome == .sound)
            let report = try await Store.salvage(path)
            #expect(report.outcome == .salvaged && report.log.kind == .broken && !report.isComplete)
            #expect(report.log.framesBehind > 0 && report.peers > known)
            let peers = try #require(try SalvageOracle.rows(path)["peer"])
            #expect(peers.isSubset(of: all["peer"] ?? []))
            // After that the log is one without a fault.
            let saved = try await Store.open(path)
            #expect(saved.keptLog == nil)
            #expect(try await saved.check(full: true).logFault == nil)
            try await saved.close()
        }
    }

    @Test("one of another life of the file is left alone, and so is one that is none")
    func stale() async throws {
        try await withLog { path, _, inFile in
            try change(path) { for index in 0..<100 { $0[index] = 0 } }
            let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            // Its header is of a new run, the frames are of the last.
            try change(path + "-wal") { bytes in
                bytes.removeSubrange(0..<32)
                bytes.insert(contentsOf: Self.header(salt: 0x0102_0304), at: 0)
            }
            var (report, rows) = try await salvage(path)
            #expect(report.log.kind == .stale && report.log.frames == 0)
            #expect(rows["peer"]?.isSubset(of: inFile["peer"] ?? []) == true)

            try log.dropFirst(11).write(to: URL(fileURLWithPath: path + "-wal"))
            (report, rows) = try await salvage(path)
            #expect(report.log.kind == .unreadable)
            #expect(rows["peer"]?.isSubset(of: inFile["peer"] ?? []) == true)
        }
    }

    @Test("one that is gone is missed where its index lies there still")
    func missing() async throws {
        try await withLog { path, _, _ in
            try change(path) { for index in 4_096..<8_192 { $0[index] = 0 } }
            unlink(path + "-wal")
            try Data(repeating: 1, count: 32_768).write(to: URL(fileURLWithPath: path + "-shm"))
            #expect(try await salvage(path).0.log.kind == .missing)
        }
    }

    @Test("of a file that was cut off to nothing is not deleted, but read")
    func emptied() async throws {
        try await withLog { path, all, _ in
            try Data().write(to: URL(fileURLWithPath: path))
            for mode in [OpenMode.readOnly, .readWrite, .create(.libp2p, .private)] {
                await #expect {
                    _ = try await Store.open(path, mode: mode)
                } throws: {
                    if case StoreError.corrupt = $0 { true } else { false }
                }
            }
            let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
            let report = try await Store.salvage(path)
            #expect(report.kept.count == 2)
            #expect(try Data(contentsOf: URL(fileURLWithPath: report.kept[1])) == log)
            let peers = try #require(try SalvageOracle.rows(path)["peer"])
            #expect(!peers.isEmpty && peers.isSubset(of: all["peer"] ?? []))
        }
    }

    private static func header(salt: UInt64) -> [UInt8] {
        func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        var bytes: [UInt8] = [0x377f_0682, 3_007_000, 4_096, 1].flatMap { big($0) }
        bytes += big(UInt32(truncatingIfNeeded: salt >> 32)) + big(UInt32(truncatingIfNeeded: salt))
        var sums: (UInt32, UInt32) = (0, 0)
        for at in stride(from: 0, to: 24, by: 8) {
            func word(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) } }
            sums.0 = sums.0 &+ word(at) &+ sums.1
            sums.1 = sums.1 &+ word(at + 4) &+ sums.0
        }
        return bytes + big(sums.0) + big(sums.1)
    }
}
