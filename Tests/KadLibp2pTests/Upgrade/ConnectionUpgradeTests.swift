import Kademlia
import Multiformats
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("Upgrading a connection")
struct ConnectionUpgradeTests {
    /// Both know whom they talk to, and what either seals the other opens.
    private func check(_ pair: UpgradePair) throws {
        var dialer = try #require(pair.established[.dialer])
        var listener = try #require(pair.established[.listener])
        #expect(dialer.remoteKey == (try UpgradePair.keys("listener")).publicKey)
        #expect(listener.remoteKey == (try UpgradePair.keys("dialer")).publicKey)
        #expect(dialer.remote == dialer.remoteKey.peerID && listener.remote == listener.remoteKey.peerID)
        #expect(dialer.leftover.readableBytes == 0 && dialer.plaintext.readableBytes == 0)
        #expect(listener.leftover.readableBytes == 0 && listener.plaintext.readableBytes == 0)
        for text in ["there", "and there again"] {
            var wire = ByteBuffer()
            try dialer.channel.seal(ByteBuffer(string: text), into: &wire)
            #expect(String(buffer: try listener.channel.open(&wire)) == text)
            try listener.channel.seal(ByteBuffer(string: "back: \(text)"), into: &wire)
            #expect(String(buffer: try dialer.channel.open(&wire)) == "back: \(text)")
        }
    }

    @Test("two ends agree, whole messages at a time")
    func whole() throws {
        var pair = try UpgradePair()
        try pair.run()
        try check(pair)
    }

    @Test("two ends agree, a byte at a time")
    func bytewise() throws {
        var pair = try UpgradePair()
        try pair.run(cut: { _ in 1 })
        try check(pair)
    }

    @Test("two ends agree, however what they send is cut", arguments: Seeds.first(40))
    func cut(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var pair = try UpgradePair()
        try pair.run(cut: { _ in Int.random(in: 1...60, using: &random) })
        try check(pair)
    }
}
