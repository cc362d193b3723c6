import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("What peers call themselves")
struct StringTests {
    private func rows(_ table: String, _ scratch: Scratch) throws -> Int64 {
        let query = try Connection(path: scratch.path(), access: .readOnly).prepare("SELECT count(*) FROM \(table)")
        return try query.step() ? query.int64(0) : -1
    }

    @Test("does not fill the file: of a name a minute, those that nobody has any more go")
    func sweep() async throws {
        let scratch = Scratch()
        let count = Int(StringTables.keptUnused) + 200
        try await scratch.withStore { store in
            let fickle = try store.peer(at: Key(1, 0, 0, 0))
            let faithful = try store.peer(at: Key(2, 0, 0, 0))
            for peer in [fickle, faithful] {
                try store.record(.heard(peer, addresses: [.test(1)], source: "kept", at: .seconds(0)))
            }
            try store.record(.identified(faithful, agent: "faithful", protocols: ["/kept/1"], at: .seconds(0)))
            // A second process, whose caches are full of what is to go.
            let other = try await Store.open(scratch.path())
            for number in 0..<count {
                try store.record(.identified(fickle, agent: "a\(number)", protocols: ["/p/\(number)"], at: .seconds(1)))
                try store.record(
                    .heard(try store.peer(at: Key(3, 0, 0, 0)), addresses: [], source: "s\(number)", at: .seconds(1)))
                try store.record(.forgotten(try store.peer(at: Key(3, 0, 0, 0)), leaving: nil))
                // Each is a row of its own only when it is written by itself.
                try await store.commit()
                if number % 1_000 == 0 {
                    #expect(try other.record(of: fickle.key)?.agent == "a\(number)")
                    try other.record(.answered(fickle, address: nil, rtt: 1, at: .seconds(2)))
                    try await other.commit()
                }
            }
            #expect(try rows("agent", scratch) > count)
            let before = try store.record(of: fickle.key)
            #expect(try await store.sweepStrings() >= 2 * (count - 5))
            for table in ["agent", "protocol_set", "source"] { #expect(try rows(table, scratch) <= 5, "\(table)") }
            // Nothing to gain: nothing is looked at.
            #expect(try await store.sweepStrings() == 0)
            for reader in [store, other] {
                #expect(try reader.record(of: fickle.key) == before)
                #expect(try reader.record(of: faithful.key)?.agent == "faithful")
                #expect(try reader.record(of: faithful.key)?.protocols == ["/kept/1"])
                #expect(try reader.record(of: faithful.key)?.addresses.first?.source == "kept")
            }
            // What went comes back under a new number, in the process that dropped it and in the other.
            for (number, writer) in [store, other].enumerated() {
                try writer.record(.identified(faithful, agent: "a\(number)", protocols: ["/p/7"], at: .seconds(3)))
                try await writer.commit()
                for reader in [store, other] {
                    #expect(try reader.record(of: faithful.key)?.agent == "a\(number)")
                    #expect(try reader.record(of: fickle.key)?.agent == before?.agent)
                }
            }
            try await other.close()
            #expect(try await store.check(full: true).problems == [])
        }
    }

    @Test("is kept within limits of bytes: protocols, and addresses, the best first")
    func bytes() async throws {
        let scratch = Scratch()
        try await scratch.withStore { store in
            let peer = try store.peer(at: Key(1, 0, 0, 0))
            let names = (0..<128).map { "/\($0 + 100)/" + String(repeating: "x", count: 250) }
            let long = (0..<64).compactMap { number in
                try? Multiaddr("/dns4/\(number).\(String(repeating: "long.", count: 190))example/tcp/4001")
            }
            #expect(long.count == 64)
            try store.record(.heard(peer, addresses: long, source: "test", at: .seconds(0)))
            try store.record(.identified(peer, agent: nil, protocols: names, at: .seconds(1)))
            try store.record(.answered(peer, address: .test(7), rtt: 1, at: .seconds(2)))
            try await store.flush()
            let record = try #require(try store.record(of: peer.key))
            let protocolBytes = record.protocols.reduce(0) { $0 + $1.utf8.count }
            #expect((3_500...PeerRecord.maximumProtocolBytes).contains(protocolBytes))
            let addressBytes = record.addresses.reduce(0) { $0 + $1.address.bytes.count }
            #expect((6_000...AddressRecord.maximumBytesPerPeer).contains(addressBytes))
            #expect(record.addresses.first?.address == .test(7))
        }
    }
}
