import Foundation
import KadStore
import Kademlia
import Testing

@testable import KadStoreCLI

@Suite("kadstore suggests what was meant")
struct SuggestionTests {
    private func expect(
        _ suggestion: String, status: Int32, _ arguments: [String], _ scratch: Scratch,
        environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try Command.run(arguments, environment: environment, folder: scratch.folder)
        #expect(result.status == status, "\(result.messages)", sourceLocation: sourceLocation)
        #expect(result.output.isEmpty, sourceLocation: sourceLocation)
        let hasIt = result.messages.contains("Did you mean\n") && result.messages.contains("\n  \(suggestion)")
        #expect(hasIt, "\(arguments): \(result.messages)", sourceLocation: sourceLocation)
    }

    @Test("for a command, a store, a file, a network and an identity")
    func names() async throws {
        let scratch = Scratch()
        try await Samples.fill(scratch.path("peers.db"), count: 4)
        let store = try await Store.open(scratch.path("peers.db"))
        _ = try await store.identity(Samples.id(77), label: "gateway")
        try await store.close()
        try Data().write(to: URL(fileURLWithPath: scratch.path("bootstrap.txt")))
        try FileManager.default.createDirectory(atPath: scratch.path("lists"), withIntermediateDirectories: false)
        try Data().write(to: URL(fileURLWithPath: scratch.path("lists/visits.ndjson")))
        try expect("stats", status: 64, ["stast"], scratch)
        try expect("import", status: 64, ["help", "improt"], scratch)
        try expect("peers.db", status: 66, ["stats", "--db", "pears.db"], scratch)
        try expect("peers.db", status: 66, ["stats", "--db", "elsewhere.sqlite"], scratch)
        try expect("peers.db", status: 66, ["watch", "--db", "peers.dd"], scratch)
        let path = scratch.path("peers.db")
        try expect(path, status: 66, ["stats", "--db", "/x/y.db"], scratch, environment: ["KADSTORE_DB": path])
        try expect("bootstrap.txt", status: 66, ["import", "bootstarp.txt"], scratch)
        try expect("lists/visits.ndjson", status: 66, ["import", "lists/visit.ndjson"], scratch)
        try expect("mainline", status: 64, ["init", "--db", "new.db", "--network", "mainlien"], scratch)
        try expect("gateway", status: 1, ["buckets", "--identity", "getaway"], scratch)
        let none = try Command.run("stats", "--db", "/nowhere/at/all.db", folder: scratch.path("lists"))
        #expect(none.status == 66 && !none.messages.contains("Did you mean"))
        for wrong in ["--format", "--as"] {
            let result = try Command.run("nearest", "x", wrong, "kay", folder: scratch.folder)
            #expect(result.status == 64 && result.messages.contains(wrong))
        }
    }

    @Test("for a key with a slip in it", arguments: [0, 1, 2, 3, 4])
    func keys(slip: Int) async throws {
        let scratch = Scratch()
        let peers = try await Samples.fill(scratch.path("peers.db"), count: 500)
        for peer in peers.prefix(8) {
            for length in [12, 64] {
                var digits = Array(peer.key.hex(byteCount: 32).prefix(length))
                switch slip {
                case 0: digits[5] = digits[5] == "0" ? "1" : "0"
                case 1: digits[5] = "x"
                case 2: digits.remove(at: 5)
                case 3: digits.insert(digits[5] == "7" ? "8" : "7", at: 5)
                default:
                    let place = try #require((2..<11).first { digits[$0] != digits[$0 + 1] })
                    digits.swapAt(place, place + 1)
                }
                let result = try Command.run("peers", String(digits), folder: scratch.folder)
                #expect(result.status == 1, "\(result.messages)")
                #expect(result.messages.contains(Samples.text(peer.id)), "\(String(digits)): \(result.messages)")
            }
        }
        // Nobody's: neither a slip nor half of it right.
        let result = try Command.run("peers", String(repeating: "f0", count: 32), folder: scratch.folder)
        #expect(result.status == 1 && !result.messages.contains("Did you mean"))
    }

    @Test("safely: names in a folder are anybody's")
    func hostile() throws {
        let scratch = Scratch()
        try Data().write(to: URL(fileURLWithPath: scratch.path("pe\u{1b}[2Jrs.db")))
        try Data().write(to: URL(fileURLWithPath: scratch.path("pe\nrs.db")))
        for name in ["peXrs.db", "pe\u{1b}rs.db"] {
            let result = try Command.run("stats", "--db", name, folder: scratch.folder)
            #expect(result.status == 66)
            #expect(result.messages.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && $0.value != 0x9b) })
        }
        for text in ["", String(repeating: "a", count: 100_000), "\u{0}"] {
            #expect(Suggestions.names(like: text, among: ["a", "", "stats"]).count <= 2)
        }
    }

    @Test("by a distance that agrees with the definition", arguments: [1, 2, 3] as [UInt64])
    func distance(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        func word() -> [UInt8] {
            (0..<Int.random(in: 0...6, using: &random)).map { _ in .random(in: 0...2, using: &random) }
        }
        /// Optimal string alignment, as it is defined.
        func naive(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
            guard let first = left.last, let second = right.last else { return left.count + right.count }
            var best = min(
                naive(left.dropLast(), right) + 1, naive(left, right.dropLast()) + 1,
                naive(left.dropLast(), right.dropLast()) + (first == second ? 0 : 1))
            if left.count > 1, right.count > 1, left.dropLast().last == second, right.dropLast().last == first {
                best = min(best, naive(left.dropLast(2), right.dropLast(2)) + 1)
            }
            return best
        }
        for _ in 0..<300 {
            let (left, right) = (word(), word())
            let expected = naive(left[...], right[...])
            for limit in 0...6 {
                let found = Suggestions.distance(left, right, atMost: limit)
                #expect(found == (expected <= limit ? expected : nil), "seed \(seed): \(left) \(right) \(limit)")
            }
        }
    }
}
