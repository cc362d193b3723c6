import Foundation
import Kademlia
import Multiformats
import Synchronization
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("Comparing")
struct DiffTests {
    private func diff(
        _ first: DiffSide, _ second: DiffSide, _ change: (inout DiffOptions) -> Void = { _ in }
    ) async throws -> (report: DiffReport, found: [Difference]) {
        let found = Mutex<[Difference]>([])
        var options = DiffOptions(now: .test)
        change(&options)
        let report = try await Exchange.diff(first, second, options) { difference in
            found.withLock { $0.append(difference) }
        }
        return (report, found.withLock { $0 })
    }

    private func file(_ bytes: [UInt8], _ scratch: Scratch) throws -> DiffSide {
        .file(try ImportSource.open(try scratch.write(bytes, "side-\(UUID().uuidString)")))
    }

    /// Random observations of random peers, the same for the same seed.
    private func fill(_ store: Store, seed: UInt64, count: Int) async throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<count {
            let peer = try store.peer(.test(UInt64.random(in: 0..<60, using: &generator)))
            let address = try Multiaddr("/ip4/10.0.0.\(Int.random(in: 0..<4, using: &generator))/tcp/1")
            let at = Instant.seconds(Int64.random(in: 0..<1_000_000, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: try store.record(.answered(peer, address: address, rtt: 77, at: at))
            case 1: try store.record(.failed(peer, address: address, .timeout, at: at))
            case 2: try store.record(.identified(peer, agent: "a", protocols: ["/x"], at: at))
            case 3: try store.record(.backoff(peer, BackoffState(streakMilli: 5, streakAt: at, lastClass: .timeout)))
            case 4: try store.record(.candidateHeard(address, source: "s", at: at))
            default: try store.record(.heard(peer, addresses: [address], source: "s", at: at))
            }
        }
        try await store.flush()
    }

    /// What an oracle says that holds both sides in memory.
    private func expected(_ first: [PeerRecord], _ second: [PeerRecord]) -> [Difference] {
        let left = Dictionary(uniqueKeysWithValues: first.map { ($0.key, $0) })
        let right = Dictionary(uniqueKeysWithValues: second.map { ($0.key, $0) })
        return Set(left.keys).union(right.keys).sorted().compactMap { key in
            switch (left[key], right[key]) {
            case (let first?, nil): return .onlyInFirst(first)
            case (nil, let second?): return .onlyInSecond(second)
            case (let first?, let second?) where first != second:
                return .changed(
                    first, second, PeerFields.differing(first, second, in: .all, unknown: nil))
            default: return nil
            }
        }
    }

    @Test(
        "finds what an oracle finds, in key order, in stores and native files alike", arguments: [1, 2, 3] as [UInt64])
    func oracle(seed: UInt64) async throws {
        let scratch = Scratch()
        let (first, second) = (try await scratch.store(), try await scratch.store())
        for store in [first, second] { try await fill(store, seed: seed, count: 150) }
        try await fill(second, seed: seed + 100, count: 40)
        for key in try second.allPeers().prefix(5) { try second.record(.forgotten(key.peer, leaving: nil)) }
        try await second.flush()
        let wanted = expected(try first.allPeers(), try second.allPeers())
        let natives = [try await scratch.export(first), try await scratch.export(second)]
        for _ in 0..<2 {
            for sides: [DiffSide] in [
                [.store(first), .store(second)], [try file(natives[0], scratch), .store(second)],
                [try file(natives[0], scratch), try file(natives[1], scratch)],
            ] {
                let (report, found) = try await diff(sides[0], sides[1])
                let peers = found.filter { if case .candidateChanged = $0 { false } else { true } }.filter {
                    if case .candidateOnlyInFirst = $0 { return false }
                    if case .candidateOnlyInSecond = $0 { return false }
                    return true
                }
                #expect(peers == wanted, "seed \(seed)")
                #expect(report.isComplete && report.compared == .all && !report.isSame)
                #expect(report.peers.onlyInFirst >= 0 && report.peers.changed > 0)
                for case .changed(_, _, let fields) in found { #expect(!fields.isEmpty, "seed \(seed)") }
                let sum = report.peers.onlyInFirst + report.peers.onlyInSecond + report.peers.changed
                #expect(sum == wanted.count)
            }
        }
        // The other way round it is the same, the other way round.
        let back = try await diff(.store(second), .store(first)).report
        let forth = try await diff(.store(first), .store(second)).report
        #expect(back.peers.onlyInFirst == forth.peers.onlyInSecond && back.changes == forth.changes)
    }

    @Test("every single field that changes is named, and none beside it")
    func fields() throws {
        var peer = PeerRecord(peer: Peer(id: .test(1), key: .zero), firstSeen: .seconds(1), source: "s")
        peer.addresses = [
            AddressRecord(address: try Multiaddr("/ip4/10.0.0.1/tcp/1"), firstSeen: .seconds(1), lastSeen: .seconds(2))
        ]
        peer.rtt = RTTEstimate(smoothed: 1, variation: 2)
        let changes: [(PeerFields, (inout PeerRecord) -> Void)] = [
            (.addresses, { $0.addresses = [] }), (.addressSeen, { $0.addresses[0].firstSeen = .seconds(0) }),
            (.addressSeen, { $0.addresses[0].lastSeen = .seconds(9) }),
            (.addressLastOK, { $0.addresses[0].lastOK = .seconds(9) }),
            (.addressFailures, { $0.addresses[0].failures = 9 }),
            (.addressSource, { $0.addresses[0].source = "x" }), (.firstSeen, { $0.firstSeen = .seconds(0) }),
            (.lastSeen, { $0.lastSeen = .seconds(9) }), (.lastOK, { $0.lastOK = .seconds(9) }),
            (.successes, { $0.successes = 9 }), (.daysSeen, { $0.daysSeen = 9 }), (.rtt, { $0.rtt?.smoothed = 9 }),
            (.rttVariation, { $0.rtt?.variation = 9 }), (.agent, { $0.agent = "x" }),
            (.protocols, { $0.protocols = ["x"] }),
            (.source, { $0.source = nil }),
            (
                .failures,
                {
                    $0.failures = [
                        FailureRecord(
                            address: nil, failureClass: .timeout, count: 1, firstAt: .seconds(1), lastAt: .seconds(1))
                    ]
                }
            ),
            (.backoff, { $0.backoff = BackoffState(streakMilli: 1, streakAt: .seconds(1), lastClass: .timeout) }),
        ]
        var seen = PeerFields()
        for (field, change) in changes {
            var other = peer
            change(&other)
            #expect(PeerFields.differing(peer, other, in: .all, unknown: nil) == field)
            #expect(PeerFields.differing(peer, other, in: .all.subtracting(field), unknown: nil).isEmpty)
            seen.formUnion(field)
        }
        #expect(seen.union([.candidates, .candidateHistory]) == .all, "a field without a test")
        #expect(PeerFields.differing(peer, peer, in: .all, unknown: nil).isEmpty)
    }

    @Test(
        "a store and each export of it are the same in all that the format carries",
        arguments: ExchangeFormat.exportable)
    func exports(format: ExchangeFormat) async throws {
        let scratch = Scratch()
        let network: Network = format.carries(.libp2p) ? .libp2p : try #require(format.networks?.first)
        let store = try await scratch.store(network)
        if network == .libp2p { try await fill(store, seed: 9, count: 200) }
        let bytes = try await scratch.export(store, format)
        guard network == .libp2p else { return }
        let path = try scratch.write(bytes)
        let (report, found) = try await diff(
            .store(store), .file(try ImportSource.open(path, format: format)), { $0.network = .libp2p })
        #expect(found == [], "\(format)")
        #expect(report.peers.same == (try store.allPeers().count))
    }

    @Test("a list of addresses is compared by ids and addresses, and by what is ignored not at all")
    func lists() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        let peer = try store.peer(.test(1))
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
        try store.record(.heard(peer, addresses: [address], source: "s", at: .seconds(1)))
        try store.record(.answered(peer, address: address, rtt: 5, at: .seconds(2)))
        let same = try await diff(
            .store(store), try file(Array("/ip4/10.0.0.1/tcp/1/p2p/\(peer.id.text)\n".utf8), scratch))
        #expect(same.report.isSame && same.report.compared == .addresses)
        let list = Array("/ip4/10.0.0.2/tcp/1/p2p/\(peer.id.text)\n/ip4/10.0.0.9/udp/1\n".utf8)
        let other = try await diff(.store(store), try file(list, scratch))
        #expect(other.report.peers.changed == 1 && other.report.candidates.onlyInSecond == 1)
        #expect(other.report.changes == [.addresses: 1])
        let ignoring = try await diff(
            .store(store), try file(list, scratch), { $0.ignored = [.addresses, .candidates] })
        #expect(ignoring.report.isSame)
    }

    @Test("times that a record does not state are not compared, those that it states are")
    func unstated() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        func row(_ number: UInt64, _ seen: String) -> String {
            "\(PeerID.test(number).text),/ip4/10.0.0.\(number)/tcp/1,\(seen),\(seen)\n"
        }
        let header = "id,address,first_seen_ms,last_seen_ms\n"
        let full = header + row(1, "1780000000000") + row(2, "1780000001000")
        _ = try await scratch.import(full, into: store)
        let sparse = header + row(1, "1780000000000") + row(2, "")
        let same = try await diff(.store(store), try file(Array(sparse.utf8), scratch))
        #expect(same.report.isSame && same.report.compared.contains(.lastSeen))
        let later = header + row(1, "1780000009000") + row(2, "")
        let other = try await diff(.store(store), try file(Array(later.utf8), scratch))
        #expect(other.report.peers.changed == 1 && other.report.changes == [.firstSeen: 1, .lastSeen: 1])
    }

    @Test("a native file that is out of order, damaged or doubled: what is sound is compared, the rest is told")
    func damaged() async throws {
        let scratch = Scratch()
        let store = try await scratch.store()
        try await fill(store, seed: 4, count: 100)
        let text = String(decoding: try await scratch.export(store), as: UTF8.self)
        var lines = text.split(separator: "\n").map(String.init)
        let peers = lines.indices.filter { lines[$0].hasPrefix("{\"peer\"") }
        lines.swapAt(peers[0], peers[5])
        lines.insert(lines[peers[1]], at: peers[3])
        lines.insert("{\"peer\":\"nobody\"}", at: peers[2])
        let changed = Array(lines.map { $0 + "\n" }.joined().utf8)
        let (report, found) = try await diff(.store(store), try file(changed, scratch))
        #expect(found == [])
        #expect(!report.isComplete && report.second.unread == 2 && report.second.fault != nil)
        #expect(report.second.rejections.count == 1)
    }

    @Test("sides of different networks are refused")
    func networks() async throws {
        let scratch = Scratch()
        let store = try await scratch.store(.mainline)
        let list = try file(Array("/ip4/10.0.0.1/tcp/1/p2p/\(PeerID.test(1).text)\n".utf8), scratch)
        await #expect(throws: ExchangeError.self) { _ = try await diff(.store(store), list) }
        let csv = Array("id,address\n".utf8)
        let sides = [try file(csv, scratch), try file(csv, scratch)]
        await #expect(throws: ExchangeError.networkNotStated(name: sides[0].name)) {
            _ = try await diff(sides[0], sides[1])
        }
    }
}
