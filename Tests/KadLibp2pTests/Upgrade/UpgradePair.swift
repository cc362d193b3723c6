import Crypto
import Kademlia
import Multiformats
import NIOCore
import Testing

@testable import KadLibp2p

/// Two ends of a connection, joined in memory. A value: a copy is a branch of what may happen.
struct UpgradePair {
    var dialer: ConnectionUpgrade
    var listener: ConnectionUpgrade
    /// All that each end has sent.
    private(set) var sent: [Role: [UInt8]] = [.dialer: [], .listener: []]
    private(set) var established: [Role: ConnectionUpgrade.Established] = [:]
    private var wire: [Role: [UInt8]] = [.dialer: [], .listener: []]

    /// Keys that are the same each time.
    static func keys(_ name: String) throws -> KeyPair {
        try KeyPair(seed: Array(SHA256.hash(data: Array(name.utf8))))
    }

    static func ephemeral(_ name: String) throws -> Curve25519.KeyAgreement.PrivateKey {
        try .init(rawRepresentation: SHA256.hash(data: Array("ephemeral \(name)".utf8)))
    }

    /// An end of the keys that bear its role's name.
    static func end(
        _ role: Role, expecting: PeerID? = nil, ephemeral name: String = "0"
    ) throws -> ConnectionUpgrade {
        ConnectionUpgrade(
            role: role, keys: try keys("\(role)"), expecting: expecting, ephemeral: try ephemeral("\(role) \(name)"))
    }

    init(expecting: PeerID? = nil) throws {
        dialer = try Self.end(.dialer, expecting: expecting)
        listener = try Self.end(.listener)
        if let first = try dialer.begin() { note(first, from: .dialer) }
    }

    /// Who has sent something that is not received yet.
    var sender: Role? { [.dialer, .listener].first { wire[$0]?.isEmpty == false } }

    /// What is on its way from one end.
    func underway(from role: Role) -> [UInt8] { wire[role] ?? [] }

    /// Lets one end receive the next piece.
    ///
    /// - Parameter count: its length.
    mutating func deliver(
        from role: Role, count: Int = .max, change: (inout [UInt8]) -> Void = { _ in }
    ) throws(UpgradeError) {
        var piece = Array(underway(from: role).prefix(count))
        wire[role] = Array(underway(from: role).dropFirst(piece.count))
        change(&piece)
        var bytes = ByteBuffer(bytes: piece)
        let to: Role = role == .dialer ? .listener : .dialer
        guard established[to] == nil else {
            established[to]?.leftover.writeBuffer(&bytes)
            return
        }
        let progress = to == .dialer ? try dialer.receive(&bytes) : try listener.receive(&bytes)
        if let answer = progress.send { note(answer, from: to) }
        if let established = progress.established { self.established[to] = established }
    }

    /// Runs until all that was sent is received.
    mutating func run(cut: (Int) -> Int = { $0 }) throws(UpgradeError) {
        while let role = sender { try deliver(from: role, count: max(1, cut(underway(from: role).count))) }
    }

    private mutating func note(_ bytes: ByteBuffer, from role: Role) {
        sent[role, default: []] += bytes.readableBytesView
        wire[role, default: []] += bytes.readableBytesView
    }
}
