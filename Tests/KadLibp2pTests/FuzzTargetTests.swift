import TestSupport
import Testing

/// What the fuzzer drives (Tools/Fuzz), with a handful of inputs: that it still builds, and that its promises are kept.
@Suite("Fuzz targets")
struct FuzzTargetTests {
    /// Most of an input is decisions; few different bytes make the same decisions follow each other.
    @Test("keep their promises for bytes of chance", arguments: (handshakeTargets + muxerTargets + messageTargets).map(\.name))
    func chance(name: String) throws {
        let target = try #require((handshakeTargets + muxerTargets + messageTargets).first { $0.name == name })
        try withSeed { seed in
            var generator = SeededGenerator(seed: seed)
            for round in 0..<40 {
                let alphabet = round.isMultiple(of: 2) ? 255 : Int.random(in: 1...24, using: &generator)
                let bytes = (0..<Int.random(in: 0...400, using: &generator)).map { _ in
                    UInt8(Int.random(in: 0...alphabet, using: &generator) * (255 / alphabet))
                }
                try target.run(bytes)
            }
        }
    }
}
