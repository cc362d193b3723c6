import Kademlia
import Multiformats
import Testing

@testable import KadLibp2p

@Suite("What a node says of itself")
struct OwnRecordTests {
    private let there = "/ip4/192.0.2.1/tcp/1"
    private let here = "/ip4/127.0.0.1/tcp/1"

    @Test("changes its number with the addresses, and only then")
    func sequence() throws {
        let record = OwnRecord(keys: try KeyPair())
        let first = [try Multiaddr("/ip4/198.51.100.1/tcp/1")]
        let told = record.told(to: try Multiaddr(there)) { first }
        #expect(told.addresses == first && told.sequence > 0)
        record.invalidate()
        #expect(record.told(to: try Multiaddr(there)) { first } == told)
        let second = first + [try Multiaddr("/ip4/198.51.100.2/tcp/1")]
        record.invalidate()
        let changed = record.told(to: try Multiaddr(there)) { second }
        #expect(changed.addresses == second && changed.sequence > told.sequence)
        // The signed record says the same.
        let signed = try SignedPeerRecord(envelope: try #require(changed.record))
        #expect(signed.addresses == second && signed.sequence == changed.sequence)
    }

    @Test("names loopback addresses to this machine alone")
    func loopback() throws {
        let record = OwnRecord(keys: try KeyPair())
        let addresses = [try Multiaddr("/ip4/127.0.0.1/tcp/4001"), try Multiaddr("/ip4/198.51.100.1/tcp/4001")]
        #expect(record.told(to: try Multiaddr(here)) { addresses }.addresses == addresses)
        let elsewhere = record.told(to: try Multiaddr(there)) { addresses }
        #expect(elsewhere.addresses == [addresses[1]])
        #expect(try SignedPeerRecord(envelope: try #require(elsewhere.record)).addresses == [addresses[1]])
    }
}
