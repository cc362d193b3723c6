import Kademlia
import Multiformats
import NIOCore
import NIOEmbedded
import Testing

@testable import KadLibp2p

@Suite("The table of connections")
struct ConnectionTableTests {
    private func connection(_ number: UInt64, to peer: PeerID, _ role: Role = .dialer) throws -> Connection {
        let keys = try KeyPair()
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/1")
        let loop = EmbeddedEventLoop()
        let events = ConnectionEvents(
            established: { _ in nil }, opened: { _ in }, retired: { _ in }, closed: { _, _ in }, streams: { _, _ in })
        let handler = ConnectionHandler(
            settings: ConnectionHandler.Settings(
                role: role, keys: keys, number: number, handshakeTimeout: .zero, idleTimeout: .zero,
                lingerTimeout: .zero, unreadLimit: 0, unsentLimit: 0),
            events: events, metrics: SwarmMetrics(), eventLoop: loop)
        return Connection(
            number: number, role: role, remote: peer, remoteKey: keys.publicKey, remoteAddress: address,
            handler: NIOLoopBound(handler, eventLoop: loop))
    }

    private func table(connections: Int = 10, perAddress: Int? = nil, pending: Int = 10) -> ConnectionTable {
        ConnectionTable(limits: .init(connections: connections, perAddress: perAddress, pendingHandshakes: pending))
    }

    @Test("uses the older of two connections to a peer, and the newer one when that is retired")
    func oldest() throws {
        let peer = try KeyPair().peerID
        var table = table()
        let (old, new) = (try connection(1, to: peer), try connection(2, to: peer))
        _ = table.insert(new)
        _ = table.insert(old)
        #expect(table.connection(to: peer) === old)
        table.retire(old)
        #expect(table.connection(to: peer) === new)
        #expect(table.count == 2)
        let (first, second) = (table.remove(old), table.remove(old))
        #expect(first && !second)
        table.remove(new)
        #expect(table.connection(to: peer) == nil)
        #expect(table.count == 0)
    }

    @Test("makes room by the connection that was used least recently and has no streams")
    func trims() throws {
        var table = table(connections: 3)
        let all = try (1...4).map { try connection(UInt64($0), to: try KeyPair().peerID) }
        for connection in all.prefix(3) { _ = table.insert(connection) }
        table.setStreams(1, of: all[0])
        table.setStreams(1, of: all[1])
        table.setStreams(0, of: all[1])
        // 0 is busy, 1 was used after 2.
        let leaving = table.insert(all[3])
        #expect(leaving?.count == 1 && leaving?.first === all[2])
        #expect(table.count == 3)
    }

    @Test("refuses what comes, not what the node dials, when nothing is idle")
    func full() throws {
        var table = table(connections: 1)
        let busy = try connection(1, to: try KeyPair().peerID)
        _ = table.insert(busy)
        table.setStreams(1, of: busy)
        let isAccepted = table.accept(2, from: nil)
        #expect(!isAccepted)
        let refused = table.insert(try connection(3, to: try KeyPair().peerID, .listener))
        #expect(refused == nil)
        let dialled = table.insert(try connection(4, to: try KeyPair().peerID, .dialer))
        #expect(dialled?.isEmpty == true)
        #expect(table.count == 2)
    }

    @Test("bounds handshakes that are under way, and connections of one address, and forgets those that end")
    func limits() throws {
        var table = table(perAddress: 2, pending: 3)
        let (ip, other) = (IPAddress.v4(1), IPAddress.v4(2))
        func accept(_ number: UInt64, _ ip: IPAddress?) -> Bool { table.accept(number, from: ip) }
        #expect(accept(1, ip) && accept(2, ip) && !accept(3, ip))
        #expect(accept(4, other) && !accept(5, nil))
        // One is secured, which leaves room for a handshake, not for its address; one fails.
        let secured = try connection(1, to: try KeyPair().peerID, .listener)
        _ = table.insert(secured)
        #expect(!accept(6, ip))
        table.abandon(2)
        table.abandon(2)
        #expect(accept(7, ip))
        table.remove(secured)
        #expect(accept(8, ip) && !accept(9, ip))
    }

    @Test("takes so many from one IPv4 address or one IPv6 network of a subscriber")
    func subscribers() {
        var table = table(perAddress: 2)
        let block: UInt64 = 0x2a00_1234_5678_9a00
        let home = [
            table.accept(1, from: .v6(high: block, low: 1)), table.accept(2, from: .v6(high: block | 0xff, low: 2)),
            table.accept(3, from: .v6(high: block | 0x0f, low: 3)),
        ]
        #expect(home == [true, true, false])
        table.abandon(1)
        let again = table.accept(4, from: .v6(high: block, low: 4))
        let neighbour = table.accept(5, from: .v6(high: block | 0x100, low: 1))
        #expect(again && neighbour)
        let host = IPAddress.v4(0x0808_0808)
        let old = [table.accept(6, from: host), table.accept(7, from: host), table.accept(8, from: host)]
        #expect(old == [true, true, false])
        let next = table.accept(9, from: .v4(0x0808_0809))
        #expect(next)
    }
}
