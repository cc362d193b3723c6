import Kademlia
import Multiformats
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("ipfs swarm addrs")
struct SwarmAddrsTests {
    let scratch = Scratch()

    private let one = PeerID.test(1).text
    private let two = PeerID.test(2).text

    @Test("the text and the document say the same")
    func sample() async throws {
        let text = try await scratch.store()
        _ = try await text.importPeers(from: ImportSource.open(fixture("ipfs-swarm-addrs.txt")), .test)
        let document = try await scratch.store()
        let options = ImportOptions.test { $0.source = "file:ipfs-swarm-addrs.txt" }
        _ = try await document.importPeers(from: ImportSource.open(fixture("ipfs-swarm-addrs.json")), options)
        #expect(try text.allPeers() == document.allPeers())
        #expect(try text.allPeers().map(\.addresses.count).reduce(0, +) == 60)
    }

    @Test("is recognised by its first line, or its member Addrs")
    func recognition() throws {
        for (text, isOurs) in [
            ("\(one) (0)\n", true), ("\(one) (12)\n\t/ip4/10.0.0.1/tcp/1\n", true), ("\(one) ()\n", false),
            ("\(one) (x)\n", false), ("nobody (2)\n", false), ("{\"Addrs\":{}}", true), ("{\"Addrs\":null}", true),
            ("{\"Addrs\":[]}", false), ("{\"x\":1,\"Addrs\":{\"", true),
        ] {
            let format = try? ImportSource.open(try scratch.write(text)).format
            #expect(format == (isOurs ? .swarmAddrs : nil), "\(text)")
        }
        // An address at the beginning of a line does not make it a list of addresses.
        #expect(
            try ImportSource.open(try scratch.write("\(one) (1)\n/ip4/10.0.0.1/tcp/1/p2p/\(one)\n")).format
                == .swarmAddrs)
    }

    @Test("wrong lines are rejected with their place; what belongs to a wrong id goes with it")
    func lines() async throws {
        let store = try await scratch.store()
        let crowd = (0..<500).map { "\t/ip4/10.1.\($0 >> 8).\($0 & 255)/tcp/1\n" }.joined()
        let text = """
            \t/ip4/10.0.0.7/tcp/1
            \(one) (3)
            \t/ip4/10.0.0.1/tcp/1
            \t/future/1
            \t/ip4/10.0.0.1/tcp/1
            nobody (1)
            \t/ip4/10.0.0.8/tcp/1
            \(one)
            \u{1b}[2J (1)
            \(two) (500)
            \(crowd)
            """
        let report = try await scratch.import(text, into: store, format: .swarmAddrs)
        #expect(report.rejections.map(\.place) == [1, 6, 8, 9].map { Place.line($0) })
        #expect(report.rejected == [.missing: 1, .peerID: 2, .type: 1])
        #expect(report.notes == [.unreadableAddress: 1])
        #expect(report.surplusAddresses > 0)
        #expect(report.summary.peers.added == 2)
        #expect(try store.record(of: try store.peer(.test(1)).key)?.addresses.count == 1)
        #expect(try store.record(of: try store.peer(.test(2)).key)?.addresses.count == AddressRecord.maximumPerPeer)
    }

    @Test("addresses below a heading that cannot be read are not given to the peer before it")
    func unreadableHeading() async throws {
        let store = try await scratch.store()
        var text = Array("\(one) (1)\n\t/ip4/10.0.0.1/tcp/1\n\t/dns4/".utf8) + [0xff, 0x0a]
        text += Array("\t/ip4/10.0.0.2/tcp/1\n".utf8) + [0xff] + Array("\(two) (1)\n\t/ip4/10.0.0.8/tcp/1\n".utf8)
        let report = try await scratch.import(text, into: store, format: .swarmAddrs)
        #expect(report.rejections.map(\.place) == [3, 5].map { Place.line($0) })
        let peers = try store.allPeers()
        #expect(peers.map(\.id) == [.test(1)])
        #expect(
            peers.first.map { Set($0.addresses.map(\.address.description)) }
                == ["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1"])
    }

    @Test("wrong members of the document are rejected one by one")
    func document() async throws {
        let store = try await scratch.store()
        let members = [
            "\"\(one)\":[\"/ip4/10.0.0.1/tcp/1\",\"/future/1\"]", "\"nobody\":[]", "\"\(two)\":7", "\"\(two)\":[7]",
            "\"\(two)\":[\"/ip4/10.0.0.1/tcp/1/p2p/\(one)\"]", "\"\(two)\":null", "\"x", "\"\(two)\":{}",
        ]
        let good = members.filter { $0 != "\"x" }
        let report = try await scratch.import("{\"Addrs\":{\n\(good.joined(separator: ",\n"))\n}}", into: store)
        #expect(report.rejections.map(\.place) == [3, 4, 5, 6, 8].map { Place.line($0) })
        #expect(report.rejected == [.peerID: 1, .type: 3, .mismatch: 1])
        #expect(report.summary.peers.added == 2)
        #expect(report.fault == nil)
        let broken = try await scratch.import("{\"Addrs\":{\n\(members.joined(separator: ",\n"))\n}}", into: store)
        #expect(broken.fault != nil)
    }
}
