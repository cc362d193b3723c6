import Kademlia
import Multiformats
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("nebula's neighbours")
struct NebulaNeighborsTests {
    let scratch = Scratch()

    private func ids(_ range: Range<UInt64>) -> String {
        range.map { "\"\(PeerID.test($0).text)\"" }.joined(separator: ",")
    }

    @Test("all are peers heard of: no addresses, no failures, no history even when it is trusted")
    func sample() async throws {
        let store = try await scratch.store()
        let report = try await store.importPeers(
            from: ImportSource.open(fixture("nebula-neighbors.ndjson")), .test { $0.trustsHistory = true })
        #expect(report.isComplete)
        let peers = try store.allPeers()
        #expect(peers.count == 24)
        #expect(
            peers.allSatisfy {
                $0.addresses.isEmpty && $0.failures.isEmpty && $0.lastOK == nil && $0.standing == .unverified
            })
        // Each is handed on once, although most are named many times.
        #expect(report.records == 24)
    }

    @Test("wrong lines and ids are rejected with their line; the other ids of a line stay")
    func lines() async throws {
        let store = try await scratch.store()
        let lines = [
            "{\"PeerID\":\(ids(1..<2)),\"NeighborIDs\":[\(ids(2..<4)),\"nobody\\u001b\"],\"ErrorBits\":\"0\"}",
            "{\"NeighborIDs\":[\(ids(4..<5))]}", "{\"PeerID\":7,\"NeighborIDs\":[]}",
            "{\"PeerID\":\"x\",\"NeighborIDs\":[\(ids(5..<6))]}", "{\"PeerID\":\(ids(6..<7)),\"NeighborIDs\":null}",
            "{\"PeerID\":\(ids(7..<8)),\"NeighborIDs\":{}}", "{\"PeerID\":\(ids(7..<8)),\"NeighborIDs\":[\(ids(7..<8))",
            "", "{\"PeerID\":\(ids(8..<9)),\"NeighborIDs\":[7]}",
            "{\"PeerID\":\(ids(9..<10)),\"NeighborIDs\":\(String(repeating: "[", count: 500_000))",
        ]
        let report = try await scratch.import(lines.joined(separator: "\n"), into: store)
        #expect(report.rejections.map(\.place) == [1, 2, 3, 4, 6, 7, 9, 10].map { Place.line($0) })
        #expect(report.rejected == [.peerID: 2, .missing: 1, .type: 3, .syntax: 2])
        #expect(report.rejections.first?.excerpt?.contains("\u{1b}") == false)
        #expect(Set(try store.allPeers().map(\.id)) == Set([1, 2, 3, 5, 6].map(PeerID.test)))
    }

    @Test("a line names no more peers than a routing table holds")
    func bounds() async throws {
        let store = try await scratch.store()
        let many = Array(repeating: ids(2..<3), count: 6_000).joined(separator: ",")
        let report = try await scratch.import(
            "{\"PeerID\":\(ids(1..<2)),\"NeighborIDs\":[\(many)]}\n", into: store)
        #expect(report.rejected == [.contradiction: 1])
        #expect(report.summary.peers.added == 2)
    }
}
