import Kademlia
import TestSupport
import Testing

/// What the fuzzer drives (Tools/Fuzz), with a few inputs of chance: that it builds, and keeps its promises.
@Suite("Fuzz targets")
struct FuzzTargetTests {
    private static let targets = handshakeTargets + muxerTargets + messageTargets

    @Test("keep their promises for bytes of chance", arguments: targets.map(\.name), Seeds.first(2))
    func chance(name: String, seed: UInt64) throws {
        let target = try #require(Self.targets.first { $0.name == name })
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            // Most bytes are decisions; of few different ones, the same decisions follow each other.
            let alphabet = (0..<Int.random(in: 1...32, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let count = Int.random(in: 0...300, using: &generator)
            try target.run((0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 })
        }
    }
}
