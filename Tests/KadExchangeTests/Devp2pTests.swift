import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("devp2p's node sets")
struct Devp2pTests {
    let scratch = Scratch()

    /// The example of EIP-778, signed by its authors.
    private let example =
        "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"
    private let exampleID = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7"

    private func record(_ text: String) throws(NodeRecordError) -> NodeRecord {
        var bytes = Array(text.utf8)
        return try bytes.withUnsafeMutableBufferPointer { (buffer) throws(NodeRecordError) in
            try NodeRecord(text: UnsafeBufferPointer(buffer))
        }
    }

    private func text(_ record: NodeRecord) -> String {
        var bytes: [UInt8] = []
        record.append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func id(_ number: Int) -> PeerID {
        PeerID(Array(repeating: UInt8(truncatingIfNeeded: number), count: 32))!
    }

    private func peer(_ store: Store, _ id: PeerID) throws -> PeerRecord? {
        try store.record(of: try store.peer(id).key)
    }

    @Test("the example of EIP-778 gives its endpoint, and its set the node with its stamps")
    func sample() async throws {
        #expect(try record(example).addresses.map(\.description) == ["/ip4/127.0.0.1/udp/30303"])
        let store = try await scratch.store(.devp2p)
        let source = try ImportSource.open(fixture("devp2p-nodes.json"))
        let report = try await store.importPeers(from: source, .test { $0.trustsHistory = true })
        #expect(report.impossibleStamps == 0)
        let peer = try #require(try peer(store, PeerIDEncoding.hex.decode(exampleID)))
        #expect(peer.addresses.map(\.address.description) == ["/ip4/127.0.0.1/udp/30303"])
        #expect(peer.successes == 12)
        #expect(peer.firstSeen == Instant(milliseconds: 1_790_841_600_000))
        #expect(peer.lastOK == Instant(milliseconds: 1_795_168_800_000) && peer.lastSeen == peer.lastOK)
        #expect(peer.failures.isEmpty)
        let all = try store.allPeers()
        // A check after the last answer was one without: three of the sample.
        #expect(all.filter { $0.failures.map(\.failureClass) == [.timeout] }.count == 3)
        #expect(all.filter { $0.lastOK == nil }.count == 1)
        #expect(all.filter { $0.addresses.contains { $0.address.description.hasPrefix("/ip6/2001:db8:") } }.count == 3)
        #expect(all.filter(\.addresses.isEmpty).count == 1)
    }

    @Test("answers count with trust alone; times and failures always")
    func untrusted() async throws {
        let store = try await scratch.store(.devp2p)
        _ = try await store.importPeers(from: ImportSource.open(fixture("devp2p-nodes.json")), .test)
        let all = try store.allPeers()
        #expect(all.allSatisfy { $0.lastOK == nil && $0.successes == 0 })
        #expect(all.filter { !$0.failures.isEmpty }.count == 3)
        #expect(all.filter { $0.lastSeen < .test }.count == 10)
    }

    @Test("records: ports of IPv6 default to those of IPv4, port 0 is none, keys are in order, lengths are right")
    func records() throws {
        var both = NodeRecord(fitting: [])
        #expect(try record(text(both)).addresses.isEmpty)
        both.ip4 = IPAddress(bytes: [10, 0, 0, 1])
        both.ip6 = IPAddress(bytes: Array(repeating: 0xfd, count: 16))
        both.udp = 1
        both.tcp = 0x100
        both.tcp6 = 0
        #expect(
            try record(text(both)).addresses.map(\.description) == [
                "/ip4/10.0.0.1/udp/1", "/ip4/10.0.0.1/tcp/256", "/ip6/fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd/udp/1",
            ])
        for (bytes, problem) in [
            ([], NodeRecordError.layout), ([0x80], .layout), ([0xc0], .layout), ([0xc1, 0x80], .layout),
            ([0xc2, 0x80, 0x80, 0x80], .layout), ([0xc5, 0x80], .cutOff), ([0xc3, 0x80, 0x80, 0x61], .layout),
            ([0xc6, 0x80, 0x80, 0x62, 0x80, 0x61, 0x80], .keyOrder),
            ([0xc6, 0x80, 0x80, 0x61, 0x80, 0x61, 0x80], .keyOrder),
            ([0xc3, 0x81, 0x01, 0x80], .encoding), ([0xf8, 0x02, 0x80, 0x80], .encoding),
            ([0xfb, 1, 1, 1, 1], .encoding),
            ([0xc8, 0x80, 0x80, 0x83, 0x75, 0x64, 0x70, 0xc0, 0x80], .value("udp")),
            ([0xc9, 0x80, 0x80, 0x83, 0x75, 0x64, 0x70, 0x82, 0, 1], .value("udp")),
            ([0xc9, 0x80, 0x80, 0x82, 0x69, 0x70, 0x83, 1, 2, 3], .value("ip")),
        ] as [([UInt8], NodeRecordError)] {
            let text = "enr:" + (Base64URL.encode(bytes) ?? "")
            #expect(throws: problem, "\(bytes)") { try record(text) }
        }
        #expect(throws: NodeRecordError.prefix) { try record("enode://x") }
        #expect(throws: NodeRecordError.tooLong(limit: 300)) { try record("enr:" + String(repeating: "A", count: 404)) }
        #expect(throws: NodeRecordError.self) { try record("enr:A=") }
    }

    @Test("mutated records never trap", arguments: Seeds.first(4))
    func mutated(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bytes = try Base64URL.decode(example.dropFirst(4))
        for _ in 0..<2_000 {
            let mutated = BadInputTests.mutated(bytes, &generator)
            guard let text = Base64URL.encode(mutated), let found = try? record("enr:" + text) else { continue }
            #expect(found.addresses.count <= 4)
        }
    }

    @Test("wrong nodes are rejected one by one, with their line")
    func rejected() async throws {
        let store = try await scratch.store(.devp2p)
        func name(_ number: Int) -> String { PeerIDEncoding.hex.encode(id(number)) }
        let lines = [
            "\"\(name(1))\": {\"seq\": 1, \"record\": \"\(example)\", \"future\": [{}]}", "\"abcd\": {}",
            "\"\(name(2))\": {\"record\": \"enr:x y\"}", "\"\(name(3))\": []", "\"\(name(4))\": {\"score\": \"high\"}",
            "\"\(name(5))\": {\"lastCheck\": \"yesterday\"}",
            "\"\(name(6))\": {\"firstResponse\": \"2026-11-02T00:00:00Z\", \"lastResponse\": \"2026-11-01T00:00:00Z\"}",
            "\"0x\(name(7))\": {\"record\": null, \"score\": -5, \"lastResponse\": \"2026-11-01T00:00:00Z\"}",
            "\"\(name(8))\": {\"record\": \"\(example)\"} x",
            "\"\(name(9))\": {\"a\": \(String(repeating: "[", count: 50_000))}",
            "\"\(name(1))\": {\"seq\": 1, \"addresses\": [\"/ip4/10.0.0.1/tcp/1\", \"/future/1\"]}",
        ]
        let report = try await scratch.import(
            "{\n" + lines.joined(separator: ",\n") + "\n}\n", into: store, .test { $0.trustsHistory = true })
        #expect(report.rejections.map(\.place) == [3, 4, 5, 6, 7, 8, 10].map { Place.line($0) })
        #expect(report.rejected == [.peerID: 1, .syntax: 2, .type: 3, .contradiction: 1])
        // Brackets that are never closed: nothing behind them can be told apart.
        #expect(report.fault?.place == .line(11))
        #expect(try peer(store, id(7))?.successes == 0)
        #expect(try peer(store, id(1))?.addresses.count == 1)
    }

    @Test(
        "what is exported comes back with the same peers and addresses, in the order of ids", arguments: Seeds.first(8))
    func roundTrip(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let store = try await scratch.store(.devp2p)
        for number in 1...40 {
            let peer = try store.peer(id(number))
            var addresses: [Multiaddr] = []
            for _ in 0..<Int.random(in: 0..<6, using: &generator) {
                let ip: IPAddress =
                    Bool.random(using: &generator)
                    ? .v4(10 << 24 | UInt32.random(in: 1...2, using: &generator))
                    : .v6(high: 0xfd00 << 48, low: UInt64.random(in: 1...2, using: &generator))
                let port = UInt16.random(in: 1...3, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0, 1: addresses.append(Multiaddr(ip: ip, udp: port))
                case 2, 3: addresses.append(Multiaddr(ip: ip, tcp: port))
                default: addresses.append(try Multiaddr("/dns4/n\(port).example/udp/30303"))
                }
            }
            try store.record(.heard(peer, addresses: addresses, source: "x", at: .seconds(Int64(number))))
            if let address = addresses.first, Bool.random(using: &generator) {
                try store.record(.answered(peer, address: address, rtt: 5, at: .seconds(Int64(number) + 100)))
            }
        }
        try await store.flush()
        let bytes = try await scratch.export(store, .devp2p)
        // An independent reader finds well-formed JSON, its names in order.
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: [String: Any]])
        #expect(object.count == 40)
        #expect(
            object.values.allSatisfy { ($0["record"] as? String)?.hasPrefix("enr:") == true && $0["seq"] as? Int == 0 })
        let names = String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("    \"") }
        #expect(names == names.sorted())

        let copy = try await scratch.store(.devp2p)
        let source = try ImportSource.open(try scratch.write(bytes))
        #expect(source.format == .devp2p)
        let report = try await copy.importPeers(from: source, .test { $0.trustsHistory = true })
        #expect(report.isComplete)
        let before = try store.allPeers()
        let after = try copy.allPeers()
        #expect(before.map(\.id) == after.map(\.id))
        for (before, after) in zip(before, after) {
            #expect(Set(before.addresses.map(\.address)) == Set(after.addresses.map(\.address)), "seed \(seed)")
            #expect(before.lastOK == after.lastOK && before.successes == after.successes)
            if before.lastOK != nil { #expect(before.firstSeen == after.firstSeen) }
        }
    }

    @Test("a failure that does not speak against a node is no check without an answer")
    func checks() async throws {
        let store = try await scratch.store(.devp2p)
        for (number, failure) in [(1, FailureClass.timeout), (2, .busy)] {
            let peer = try store.peer(id(number))
            try store.record(.answered(peer, address: nil, rtt: 5, at: .seconds(10)))
            try store.record(.failed(peer, address: nil, failure, at: .seconds(20)))
        }
        try await store.flush()
        let copy = try await scratch.store(.devp2p)
        _ = try await scratch.import(try await scratch.export(store, .devp2p), into: copy)
        #expect(try peer(copy, id(1))?.failures.map(\.lastAt) == [.seconds(20)])
        #expect(try peer(copy, id(2))?.failures.isEmpty == true)
    }

    @Test("candidates have no ids and are left out; an empty store is an empty set")
    func empty() async throws {
        let store = try await scratch.store(.devp2p)
        #expect(try await scratch.exportText(store, .devp2p) == "{}\n")
        let other = try await scratch.store()
        await #expect(throws: ExchangeError.networkNotCarried(format: .devp2p, network: "libp2p")) {
            var options = ExportOptions()
            options.format = .devp2p
            return try await other.exportPeers(to: scratch.path("x"), options)
        }
    }

    @Test("dates are written as they are read", arguments: Seeds.first(4))
    func dates(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for edge in [0, -1, 1, 951_782_400_000, 1_709_164_799_999, -62_135_596_800_000, 253_402_300_799_999] as [Int64]
        {
            #expect(read(Instant(milliseconds: edge).rfc3339) == edge)
        }
        for _ in 0..<2_000 {
            let stamp = Int64.random(in: -62_135_596_800_000..<253_402_300_800_000, using: &generator)
            #expect(read(Instant(milliseconds: stamp).rfc3339) == stamp, "seed \(seed)")
        }
        #expect(Instant(milliseconds: 1_795_168_800_050).rfc3339 == "2026-11-20T10:00:00.050Z")
        #expect(Instant(milliseconds: .max).rfc3339 == nil)
        #expect(Instant(milliseconds: .min).rfc3339 == nil)
    }

    private func read(_ text: String?) -> Int64? {
        var text = text ?? ""
        return text.withUTF8 { Instant(rfc3339: $0)?.milliseconds }
    }
}
