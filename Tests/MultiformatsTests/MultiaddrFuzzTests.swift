import Kademlia
import Multiformats
import Testing

@Suite("Multiaddr from untrusted input")
struct MultiaddrFuzzTests {
    private func checkRoundTrip(_ address: Multiaddr, _ place: Comment) throws {
        let text = address.description
        let again = try Multiaddr(text)
        #expect(again == address, place)
        #expect(again.description == text, place)
        #expect(address.components.map(\.description).joined() == text, place)
        _ = (address.peerID, address.ipAddress, address.port, address.isDNS, address.isRelayed)
        if let rest = address.withoutPeerID { #expect(try Multiaddr(bytes: rest.bytes) == rest, place) }
    }

    @Test("Mutated binary is refused or round-trips through text", arguments: [101 as UInt64, 102])
    func binary(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let valid = try MultiaddrSamples.good.map { try Array(Multiaddr($0).bytes) }
        var accepted = 0
        for round in 0..<6000 {
            var bytes = generator.element(of: valid)
            for _ in 0..<Int.random(in: 0...2, using: &generator) {
                let place = Int.random(in: bytes.indices, using: &generator)
                switch generator.next() % 4 {
                case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                case 2: bytes.insert(contentsOf: generator.element(of: valid).prefix(20), at: place)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { bytes = [4] }
            }
            guard let address = try? Multiaddr(bytes: bytes) else { continue }
            accepted += 1
            try checkRoundTrip(address, "seed \(seed), round \(round): \(Hex.encode(bytes))")
        }
        #expect(accepted > 1000)
    }

    @Test("Random bytes are refused or round-trip through text", arguments: [103 as UInt64])
    func noise(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        // Codes of the table, as varints, so that random bytes get past the first component.
        let codes: [[UInt8]] = MultiaddrProtocol.allCases.map {
            var code: [UInt8] = []
            Varint.append($0.rawValue, to: &code)
            return code
        }
        var accepted = 0
        for round in 0..<20000 {
            var bytes = generator.bytes(round % 6)
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                bytes += generator.element(of: codes)
                if generator.next() % 2 == 0 { bytes += generator.bytes(Int.random(in: 0...17, using: &generator)) }
            }
            guard let address = try? Multiaddr(bytes: bytes) else { continue }
            accepted += 1
            try checkRoundTrip(address, "seed \(seed), round \(round): \(Hex.encode(bytes))")
        }
        #expect(accepted > 100)
    }

    @Test("Mutated text is refused or round-trips through binary", arguments: [104 as UInt64, 105])
    func text(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let samples = MultiaddrSamples.good + MultiaddrSamples.bad
        let alphabet = Array("/:.-%=~0123456789abcdefzQmué \u{0}\u{85}".utf8) + [0xff, 0xc0]
        var accepted = 0
        for round in 0..<6000 {
            var text = Array(generator.element(of: samples).utf8)
            if text.isEmpty { text = [0x2f] }
            for _ in 0..<Int.random(in: 0...2, using: &generator) {
                let place = Int.random(in: text.indices, using: &generator)
                switch generator.next() % 4 {
                case 0: text[place] = generator.element(of: alphabet)
                case 1: text.insert(generator.element(of: alphabet), at: place)
                case 2: text.insert(contentsOf: Array(generator.element(of: samples).utf8), at: place)
                default: text.remove(at: place)
                }
                if text.isEmpty { text = [0x2f] }
            }
            guard let address = text.withUnsafeBufferPointer({ try? Multiaddr(utf8: $0) }) else { continue }
            accepted += 1
            let place: Comment = "seed \(seed), round \(round): \(String(decoding: text, as: UTF8.self))"
            #expect(try Multiaddr(bytes: address.bytes) == address, place)
            try checkRoundTrip(address, place)
        }
        #expect(accepted > 1000)
    }
}
