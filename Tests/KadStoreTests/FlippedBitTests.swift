import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

/// Everything that is remembered, as one set of things that are compared one by one.
private struct Memory {
    var records: [Key: PeerRecord] = [:]
    var others: Set<AnyHashable> = []

    init(_ connection: Connection) throws {
        let header = try FileHeader(connection, path: "")
        others.insert("\(header.network) \(header.scope) \(header.createdAt) \(header.peerCap.value)")
        others.insert(header.salt.withUnsafeBytes { Array($0) })
        let reader = RecordReader(connection, network: header.network)
        for record in try reader.records(after: nil, limit: 1_000).records { records[record.key] = record }
        for var candidate in try reader.candidates(after: nil, limit: 1_000).rows {
            // A string whose row is damaged is no lie: it is unknown.
            candidate.source = "some"
            others.insert(candidate)
        }
        others.formUnion(try reader.tombstones(after: nil, limit: 1_000).rows)
        others.formUnion(try reader.heldFailures())
        others.formUnion(try reader.sessions().sessions)
        others.formUnion(try reader.ownValues(after: nil, limit: 1_000).rows)
        others.formUnion(try reader.ownProviders(after: nil, limit: 1_000).rows)
        others.formUnion(try reader.providers(of: Array("c".utf8), limit: 1_000))
        for key in ["others", "large"] { if let value = try reader.value(of: Array(key.utf8)) { others.insert(value) } }
        if let clock = try reader.clock() { others.insert(clock) }
        for identity in try reader.identities() {
            others.insert(identity)
            for bucket in try reader.buckets(of: identity.number) {
                if let at = bucket.refreshedAt { others.insert("bucket \(bucket.index) \(at)") }
                for contact in bucket.live {
                    others.insert([AnyHashable("live \(bucket.index)"), AnyHashable(contact)])
                }
                for contact in bucket.replacements {
                    others.insert([AnyHashable("spare \(bucket.index)"), AnyHashable(contact)])
                }
            }
        }
    }

    /// What is said here that `truth` does not say. Rows that are missing are no lies, nor are strings that are unknown.
    func lies(_ truth: Memory) -> [String] {
        var lies = others.subtracting(truth.others).map { "\($0)" }
        for (key, var record) in records {
            guard let real = truth.records[key] else {
                lies.append("\(record)")
                continue
            }
            record.agent = record.agent ?? real.agent
            record.source = record.source ?? real.source
            if record.protocols.isEmpty { record.protocols = real.protocols }
            for index in record.addresses.indices where record.addresses[index].source == nil {
                guard index < real.addresses.count else { break }
                record.addresses[index].source = real.addresses[index].source
            }
            if Set(record.failures).isSubset(of: real.failures) { record.failures = real.failures }
            if record.backoff == nil || record.backoff?.streakMilli == 0 { record.backoff = real.backoff }
            if record != real { lies.append("\(record)") }
        }
        return lies
    }

    func isWhole(_ truth: Memory) -> Bool { others == truth.others && records == truth.records }
}

@Suite("A flipped bit anywhere in the file")
struct FlippedBitTests {
    /// All bits of a file are 1.5 million: some thousand of them, drawn at random, or with `KADSTORE_THOROUGH=1` 50,000.
    private static let flips = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1" ? 50_000 : 1_500

    @Test("is never read as something else, and whatever it hides a check misses", arguments: Seeds.first(1))
    func everyBit(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let scratch = Scratch()
        try await scratch.makeFullStore()
        let path = scratch.path()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        func open() throws -> Connection { try Connection(path: path, access: .immutable) }
        let truth = try Memory(open())
        #expect(truth.records.count == 6 && truth.others.count > 25)
        let pageSize = 4_096
        let leaves = try Self.pages(of: open())
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        var (refused, hidden, harmless) = (0, 0, 0)
        for _ in 0..<Self.flips {
            // Half of them in pages of rows, the others anywhere.
            let page = Bool.random(using: &generator) ? leaves.randomElement(using: &generator) ?? 0 : nil
            let offset =
                page.map { $0 * pageSize + Int.random(in: 0..<pageSize, using: &generator) }
                ?? Int.random(in: 0..<whole.count, using: &generator)
            let bit = UInt8.random(in: 0..<8, using: &generator)
            func put(_ byte: UInt8) throws {
                try file.seek(toOffset: UInt64(offset))
                try file.write(contentsOf: [byte])
            }
            try put(whole[offset] ^ 1 << bit)
            defer { try? put(whole[offset]) }
            do {
                let connection = try open()
                let memory = try Memory(connection)
                let lies = memory.lies(truth)
                #expect(lies == [], "bit \(bit) of byte \(offset)")
                if memory.isWhole(truth) {
                    harmless += 1
                    continue
                }
                hidden += 1
                let header = try FileHeader(connection, path: path)
                let reader = RecordReader(connection, network: header.network)
                let report = try Checker.check(reader, full: true, Cancellation(), progress: nil)
                #expect(!report.isSound, "bit \(bit) of byte \(offset) hides something, and a check says nothing")
            } catch {
                // Said so, at the latest by the check.
                refused += 1
            }
        }
        try file.close()
        print("of \(Self.flips) flipped bits \(harmless) changed nothing, \(hidden) hid rows, \(refused) were refused")
        #expect(hidden > 10 && refused > 10)
    }

    /// The pages that hold rows of the largest tables, from 0.
    private static func pages(of connection: Connection) throws -> [Int] {
        let names = SealedTable.allCases.map { "'\($0.name)'" }.joined(separator: ", ")
        let roots = try connection.prepare("SELECT rootpage FROM sqlite_schema WHERE name IN (\(names))")
        var pages: [Int] = []
        while try roots.step() { pages.append(Int(roots.int64(0)) - 1) }
        return pages
    }
}
