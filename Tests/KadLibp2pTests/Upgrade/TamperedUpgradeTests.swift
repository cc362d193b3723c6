import Kademlia
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Upgrading a connection that somebody tampers with")
struct TamperedUpgradeTests {
    /// Not both are established, and who is knows the right key.
    private func checkRefused(_ pair: UpgradePair, _ what: String) throws {
        #expect(pair.established.count < 2, "both established after \(what)")
        try checkKeys(pair, what)
    }

    private func checkKeys(_ pair: UpgradePair, _ what: String) throws {
        for (role, end) in pair.established {
            let other = try UpgradePair.keys(role == .dialer ? "listener" : "dialer")
            #expect(end.remoteKey == other.publicKey, "another key after \(what)")
        }
    }

    @Test("every flipped bit of every message is refused, or the other end waits for more")
    func everyBit() throws {
        var pair = try UpgradePair()
        var number = 0
        while let sender = pair.sender {
            number += 1
            for index in pair.underway(from: sender).indices {
                for bit in 0..<8 {
                    var branch = pair
                    do throws(UpgradeError) {
                        try branch.deliver(from: sender) { $0[index] ^= 1 << UInt8(bit) }
                        try branch.run()
                    } catch {
                        #expect(error.failureClass == .negotiation)
                    }
                    try checkRefused(branch, "bit \(bit) of byte \(index) of transmission \(number)")
                }
            }
            try pair.deliver(from: sender)
        }
        #expect(pair.established.count == 2 && number == 4)
    }

    @Test("every truncation waits for more, and ends nowhere")
    func truncations() throws {
        var pair = try UpgradePair()
        while let sender = pair.sender {
            for count in pair.underway(from: sender).indices {
                var branch = pair
                try branch.deliver(from: sender) { $0.removeSubrange(count...) }
                #expect(branch.established.count == pair.established.count)
            }
            try pair.deliver(from: sender)
        }
    }

    @Test("a recorded dialer is refused by a fresh listener, and a recorded listener by a fresh dialer")
    func replay() throws {
        var pair = try UpgradePair()
        try pair.run()

        var listener = try UpgradePair.end(.listener, ephemeral: "1")
        var bytes = ByteBuffer(bytes: pair.sent[.dialer] ?? [])
        #expect(throws: UpgradeError.noise(.authentication)) { try listener.receive(&bytes) }

        var dialer = try UpgradePair.end(.dialer, ephemeral: "1")
        _ = try dialer.begin()
        bytes = ByteBuffer(bytes: pair.sent[.listener] ?? [])
        #expect(throws: UpgradeError.noise(.authentication)) { try dialer.receive(&bytes) }
    }

    @Test("a dialer that hears its own words is not taken in")
    func reflection() throws {
        var pair = try UpgradePair()
        try pair.run()
        var dialer = try UpgradePair.end(.dialer)
        _ = try dialer.begin()
        var bytes = ByteBuffer(bytes: pair.sent[.dialer] ?? [])
        #expect(throws: UpgradeError.self) { try dialer.receive(&bytes) }
    }

    @Test("once refused is always refused, with the same reason")
    func staysRefused() throws {
        var listener = try UpgradePair.end(.listener)
        let error = UpgradeError.negotiation(of: .security, .header("G"))
        var bytes = ByteBuffer(string: "G")
        #expect(throws: error) { try listener.receive(&bytes) }
        bytes = try #require(try UpgradePair.end(.dialer).beginning())
        #expect(throws: error) { try listener.receive(&bytes) }
    }

    @Test("arbitrary bytes at every stage neither establish nor trap", arguments: Seeds.first(60))
    func fuzz(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var pair = try UpgradePair()
        while let sender = pair.sender {
            for _ in 0..<10 {
                var branch = pair
                let bytes = pair.underway(from: sender)
                let noise = Self.noise(like: bytes, using: &random)
                do throws(UpgradeError) {
                    try branch.deliver(from: sender) { $0 = noise }
                    try branch.run()
                } catch {
                    #expect(error.failureClass == .negotiation)
                }
                // What follows the last message is the muxer's, whatever it is.
                if noise.starts(with: bytes) {
                    try checkKeys(branch, "seed \(seed)")
                } else {
                    try checkRefused(branch, "seed \(seed)")
                }
            }
            try pair.deliver(from: sender)
        }
    }

    /// Bytes that are nothing like `bytes`, framed like them, or parts of them.
    private static func noise(like bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        func any(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255, using: &random) } }
        let count = Int.random(in: 0...300, using: &random)
        return switch Int.random(in: 0..<5, using: &random) {
        case 0: any(count)
        case 1: [UInt8(count >> 8), UInt8(count & 255)] + any(count)
        case 2: bytes.prefix(Int.random(in: 0...bytes.count, using: &random)) + any(count)
        case 3: any(1) + bytes.dropFirst(Int.random(in: 0...bytes.count, using: &random))
        default: bytes.dropLast(Int.random(in: 0...bytes.count, using: &random)) + bytes
        }
    }
}

extension ConnectionUpgrade {
    /// What a dialer says first.
    func beginning() throws -> ByteBuffer? {
        var copy = self
        return try copy.begin()
    }
}
