import Crypto
import Kademlia
import Multiformats
import NIOCore
import Testing

@testable import KadLibp2p

/// Two ends of a connection, joined in memory.
struct UpgradePair {
    /// How what one end sends is cut into what the other receives: the length of the next piece, of so many bytes.
    typealias Cut = (Int) -> Int

    var dialer: ConnectionUpgrade
    var listener: ConnectionUpgrade
    /// What each end has sent.
    private(set) var sent: [Role: [UInt8]] = [.dialer: [], .listener: []]
    private(set) var established: [Role: ConnectionUpgrade.Established] = [:]

    /// Keys that are the same each time.
    static func keys(_ name: String) throws -> KeyPair {
        try KeyPair(seed: Array(SHA256.hash(data: Array(name.utf8))))
    }

    static func ephemeral(_ name: String) throws -> Curve25519.KeyAgreement.PrivateKey {
        try .init(rawRepresentation: SHA256.hash(data: Array("ephemeral \(name)".utf8)))
    }

    static func end(
        _ role: Role, expecting: PeerID? = nil, ephemeral name: String = "0"
    ) throws -> ConnectionUpgrade {
        ConnectionUpgrade(
            role: role, keys: try keys("\(role)"), expecting: expecting, ephemeral: try ephemeral("\(role) \(name)"))
    }

    init(expecting: PeerID? = nil) throws {
        dialer = try Self.end(.dialer, expecting: expecting)
        listener = try Self.end(.listener)
    }

    /// Runs until nobody sends any more.
    ///
    /// - Parameter change: is given each piece before it is received: who sent it, how many bytes that end had sent before it.
    mutating func run(
        cut: Cut = { $0 }, change: (Role, Int, inout [UInt8]) -> Void = { _, _, _ in }
    ) throws(UpgradeError) {
        var wire: [Role: [UInt8]] = [.dialer: [], .listener: []]
        var offsets: [Role: Int] = [.dialer: 0, .listener: 0]
        if let first = try dialer.begin() {
            sent[.dialer] = Array(first.readableBytesView)
            wire[.dialer] = sent[.dialer]
        }
        while let from = [Role.dialer, .listener].first(where: { wire[$0]?.isEmpty == false }) {
            let to: Role = from == .dialer ? .listener : .dialer
            let queued = wire[from] ?? []
            var piece = Array(queued.prefix(max(1, cut(queued.count))))
            wire[from] = Array(queued.dropFirst(piece.count))
            let offset = offsets[from, default: 0]
            offsets[from] = offset + piece.count
            change(from, offset, &piece)
            var bytes = ByteBuffer(bytes: piece)
            if established[to] != nil {
                established[to]?.leftover.writeBuffer(&bytes)
                continue
            }
            let progress =
                to == .dialer ? try dialer.receive(&bytes) : try listener.receive(&bytes)
            if let answer = progress.send {
                sent[to, default: []] += answer.readableBytesView
                wire[to, default: []] += answer.readableBytesView
            }
            if let established = progress.established { self.established[to] = established }
        }
    }
}
