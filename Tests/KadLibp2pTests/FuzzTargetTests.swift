import Kademlia
import TestSupport
import Testing

/// What the fuzzer drives (Tools/Fuzz), for as long as a test may take: seeds as they are, and changed a little.
@Suite("Fuzz targets")
struct FuzzTargetTests {
    private static let names = FuzzTarget.all.map(\.name)

    private func target(_ name: String) throws -> FuzzTarget {
        try #require(FuzzTarget.all.first { $0.name == name })
    }

    @Test("keep their promises for every seed, and for no byte at all", arguments: names)
    func seeds(name: String) throws {
        let target = try target(name)
        let seeds = try target.seeds()
        #expect(!seeds.isEmpty)
        for seed in [[]] + seeds { try target.run(seed) }
    }

    @Test("keep their promises for changed seeds", arguments: names, Seeds.first(2))
    func changed(name: String, seed: UInt64) throws {
        let target = try target(name)
        let seeds = try target.seeds()
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            var input = seeds.randomElement(using: &generator) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                change(&input, borrowing: seeds.randomElement(using: &generator) ?? [], &generator)
            }
            do {
                try target.run(input)
            } catch {
                Issue.record("\(name), seed \(seed): \(error), for \(Hex.encode(input))")
                return
            }
        }
    }

    /// As fuzzers do: a bit, a byte, or a part that goes, comes twice or comes from elsewhere.
    private func change(_ bytes: inout [UInt8], borrowing other: [UInt8], _ generator: inout SeededGenerator) {
        func place(_ count: Int) -> Int { Int.random(in: 0...count, using: &generator) }
        func part(of bytes: [UInt8]) -> ArraySlice<UInt8> { bytes.dropFirst(place(bytes.count)).prefix(place(20)) }
        let start = place(bytes.count)
        switch place(4) {
        case 0 where start < bytes.count: bytes[start] ^= 1 << UInt8(place(7))
        case 1 where start < bytes.count: bytes[start] = UInt8(truncatingIfNeeded: generator.next())
        case 2: bytes.removeSubrange(start..<min(bytes.count, start + place(20)))
        case 3: bytes.insert(contentsOf: part(of: bytes), at: start)
        default: bytes.insert(contentsOf: part(of: other), at: start)
        }
    }
}
