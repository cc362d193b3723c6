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

    @Test("gives a newcomer the place of whoever has most handshakes under way")
    func room() throws {
        var table = table(pending: 4)
        let (silent, other, third) = (IPAddress.v4(0x0a00_0001), IPAddress.v4(0x0a00_0002), IPAddress.v4(0x0808_0808))
        func accept(_ number: UInt64, _ ip: IPAddress?) -> Bool {
            table.accept(number, from: ip, isLimited: ip?.reach == .global)
        }
        func makeRoom(_ ip: IPAddress?) -> UInt64? { table.makeRoom(for: ip) }
        #expect(makeRoom(silent) == nil)
        for number in 1...4 as ClosedRange<UInt64> { #expect(accept(number, silent)) }
        // Not for more of the same.
        #expect(makeRoom(silent) == nil && !accept(5, silent))
        #expect(makeRoom(other) == 1 && accept(6, other))
        #expect(makeRoom(third) == 2 && accept(7, third))
        // Two, one and one: nobody has two more than who comes with one.
        #expect(makeRoom(other) == nil)
        // Whose address is unknown are one.
        #expect(makeRoom(nil) == 3)
        // What made room may end by itself, and leaves what there is as it is.
        table.abandon(3)
        #expect(accept(8, nil) && !accept(9, nil))
    }

    @Test("of one peer keeps so many that it made, and closes its own oldest for a new one")
    func ofOnePeer() throws {
        var table = ConnectionTable(
            limits: .init(connections: 100, perAddress: nil, pendingHandshakes: 10, perPeer: 3))
        let peer = try KeyPair().peerID
        var made: [Connection] = []
        func insert(_ connection: Connection) -> [UInt64]? { table.insert(connection)?.map(\.number) }
        // What this node dialled does not count.
        let dialled = try connection(1, to: peer, .dialer)
        #expect(insert(dialled) == [])
        for number in 2...4 as ClosedRange<UInt64> {
            let new = try connection(number, to: peer, .listener)
            made.append(new)
            #expect(insert(new) == [])
        }
        table.setStreams(1, of: made[0])
        let fourth = try connection(5, to: peer, .listener)
        // The oldest that is idle.
        #expect(insert(fourth) == [3])
        for one in [made[2], fourth] { table.setStreams(1, of: one) }
        let fifth = try connection(6, to: peer, .listener)
        #expect(insert(fifth) == [2])
        // Others are not touched.
        let other = try connection(7, to: try KeyPair().peerID, .listener)
        #expect(insert(other) == [])
        #expect(table.count == 5)
        #expect(table.connection(to: peer)?.number == 1)
    }
}
