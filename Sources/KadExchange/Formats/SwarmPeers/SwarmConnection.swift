import KadStore
import Kademlia
import Multiformats

/// A connection of a Kubo node, as `ipfs swarm peers` shows it.
struct SwarmConnection {
    var id: PeerID?
    var address: Multiaddr?
    /// Microseconds.
    var latency: Int64?
    var isInbound = false
    var protocols: [String] = []
    var agent: String?
    /// Addresses that the peer says it listens at.
    var listening: [Multiaddr] = []
    /// Addresses of protocols that are not known: left out.
    var unreadable = 0

    init() {}

    /// A line of text: an address that ends in an id, then what was asked for.
    init(line: UnsafeBufferPointer<UInt8>) throws(RejectionReason) {
        let words = line.split(separator: 0x20, maxSplits: 3).map { UnsafeBufferPointer(rebasing: $0) }
        guard let first = words.first, first.first == UInt8(ascii: "/") else { throw .notAnAddress }
        do throws(MultiaddrError) {
            address = try Multiaddr(utf8: first)
        } catch {
            throw .address(error)
        }
        id = address?.peerID
        guard id != nil else { throw .missing("/p2p") }
        for word in words.dropFirst() {
            if word.equals("inbound") {
                isInbound = true
            } else if !word.equals("outbound"), !word.equals("n/a") {
                guard let duration = GoDuration.microseconds(word) else {
                    throw .wrongType("what follows the address", expected: "a latency or direction")
                }
                latency = duration
            }
        }
    }

    /// Takes a protocol that is spoken on the connection, once. One with a longer name than a store keeps is none.
    mutating func add(protocol name: String) {
        guard protocols.count < JSONReader.listLimit, !name.isEmpty, name.utf8.count <= PeerRecord.maximumNameLength,
            name != Self.unnamed, !protocols.contains(name)
        else { return }
        protocols.append(name)
    }

    /// What Kubo prints for a stream before its protocol is agreed on.
    private static let unnamed = "<no protocol name>"

    /// What the connection says of the peer. There is no time in it, so it is no success of any date: of the peer's
    /// history only the round-trip time is taken, which counts when history is trusted.
    func peer(_ notes: inout [ImportNote]) throws(RejectionReason) -> ImportedPeer {
        guard let id else { throw .missing("Peer") }
        var peer = ImportedPeer(id: id)
        if let address, address.withoutPeerID != nil {
            if canBeDialled(address) {
                peer.addresses.append(ImportedPeer.Address(address))
            } else {
                notes.append(.inboundAddress)
            }
        }
        peer.addresses += listening.map(ImportedPeer.Address.init)
        peer.protocols = protocols
        peer.agent = agent
        if let latency, latency > 0 { peer.rtt = RTTEstimate(first: latency) }
        if unreadable > 0 { notes.append(.unreadableAddress) }
        return peer
    }

    /// Whether somebody listens where the connection comes from. Of one that we opened, surely. One that the peer opened
    /// comes, over TCP, from a port made for it, at which a dial would fail and count against the peer; over UDP (QUIC,
    /// WebRTC) from the socket that the peer listens at; through a relay from a relay of ours, at which the peer has no
    /// reservation.
    private func canBeDialled(_ address: Multiaddr) -> Bool {
        guard isInbound else { return true }
        guard !address.isRelayed, let ip = address.ipAddress, let port = address.port else { return false }
        return address.bytes.starts(with: Multiaddr(ip: ip, udp: port).bytes)
    }
}
