import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

/// What holds for the files of all other programs alike.
@Suite("Files of other programs")
struct ForeignFileTests {
    let scratch = Scratch()

    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let format: ExchangeFormat
        var network = Network.libp2p
        let peers: Int

        var testDescription: String { name }
    }

    static let samples = [
        Sample(name: "ipfs-swarm-peers.txt", format: .multiaddrs, peers: 24),
        Sample(name: "ipfs-swarm-peers-v.txt", format: .swarmPeers, peers: 8),
        Sample(name: "ipfs-swarm-peers.json", format: .swarmPeers, peers: 8),
        Sample(name: "ipfs-swarm-addrs.txt", format: .swarmAddrs, peers: 24),
        Sample(name: "ipfs-swarm-addrs.json", format: .swarmAddrs, peers: 24),
        Sample(name: "nebula-neighbors.ndjson", format: .nebulaNeighbors, peers: 24),
        Sample(name: "devp2p-nodes.json", format: .devp2p, network: .devp2p, peers: 11),
    ]

    @Test("is recognised by one format, with another name, other line ends, blank lines and a mark", arguments: samples)
    func recognition(sample: Sample) throws {
        let bytes = read(fixture(sample.name))
        let text = String(decoding: bytes, as: UTF8.self)
        for dressed in [text, "\u{feff}\n\r\n" + text.replacing("\n", with: "\r\n")] {
            let path = try scratch.write(dressed)
            let source = try ImportSource.open(path)
            #expect(source.format == sample.format)
            #expect(source.network == sample.network)
        }
        let claims = bytes.withUnsafeBufferPointer { bytes in
            ExchangeFormat.allCases.filter {
                if case .yes = $0.codec.recognise(FileSample(bytes, isWhole: true)) { true } else { false }
            }
        }
        #expect(claims == [sample.format])
    }

    @Test("brings all its peers, and changes nothing when it comes again", arguments: samples)
    func twice(sample: Sample) async throws {
        let store = try await scratch.store(sample.network)
        let report = try await store.importPeers(
            from: ImportSource.open(fixture(sample.name)), .test { $0.trustsHistory = true })
        #expect(report.isComplete)
        #expect(report.summary.peers.added == sample.peers)
        #expect(report.summary.candidates.total == 0)
        let before = try await scratch.export(store)
        let again = try await store.importPeers(
            from: ImportSource.open(fixture(sample.name)),
            .test {
                $0.trustsHistory = true
                $0.now = Instant.test.advanced(byMilliseconds: 86_400_000)
            })
        #expect(again.summary.peers.unchanged == sample.peers)
        #expect(try await scratch.export(store) == before)
    }

    @Test("is refused by a store of another network, and its addresses by a public one", arguments: samples)
    func elsewhere(sample: Sample) async throws {
        let other = try await scratch.store(.mainline)
        await #expect(throws: ExchangeError.self) {
            try await other.importPeers(from: ImportSource.open(fixture(sample.name)), .test)
        }
        let open = try await scratch.store(sample.network, .public)
        _ = try await open.importPeers(from: ImportSource.open(fixture(sample.name)), .test)
        #expect(try open.allPeers().flatMap(\.addresses).allSatisfy { $0.address.isDNS || $0.address.isRelayed })
    }

    @Test("cut at any byte never traps, and keeps what stands before the cut", arguments: samples)
    func cut(sample: Sample) async throws {
        let whole = read(fixture(sample.name))
        let store = try await scratch.store(sample.network)
        var most = 0
        for length in stride(from: 0, to: whole.count, by: max(1, whole.count / 25)) {
            let report = try await scratch.import(
                Array(whole[..<length]), into: store, format: sample.format, .test { $0.isDryRun = true })
            let taken = report.summary.peers.total
            // A line that is cut may still stand for a peer, and for another one.
            #expect(taken + 1 >= most && taken <= sample.peers)
            most = max(most, taken)
            if sample.name.hasSuffix(".json"), (1..<whole.count - 2).contains(length) { #expect(report.fault != nil) }
        }
        #expect(most >= sample.peers - 2)
    }

    @Test("mutated never traps, and leaves the store whole", arguments: samples, Seeds.first(2))
    func mutated(sample: Sample, seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let bytes = read(fixture(sample.name))
        let store = try await scratch.store(sample.network)
        for _ in 0..<12 {
            let path = try scratch.write(BadInputTests.mutated(bytes, &generator))
            let source = try ImportSource.open(path, format: sample.format)
            let report = try await store.importPeers(from: source, .test { $0.trustsHistory = true })
            for rejection in report.rejections {
                let shown = "\(rejection.reason)\(rejection.excerpt ?? "")"
                #expect(shown.unicodeScalars.allSatisfy(Printable.isHarmless), "seed \(seed)")
            }
            _ = try? ImportSource.open(path)
        }
        let exported = try await scratch.export(store)
        let copy = try await scratch.store(sample.network)
        _ = try await copy.restorePeers(from: ImportSource.open(try scratch.write(exported)))
        #expect(try await scratch.export(copy) == exported, "seed \(seed)")
    }

    @Test("a file of any other format is no reason to trap", arguments: ExchangeFormat.importable)
    func wrongFormat(format: ExchangeFormat) async throws {
        let network = format.networks?.first ?? .libp2p
        for sample in Self.samples + [Sample(name: "libtorrent-dualstack.dat", format: .libtorrent, peers: 0)] {
            let store = try await scratch.store(network)
            guard let source = try? ImportSource.open(fixture(sample.name), format: format) else { continue }
            guard source.network ?? network == network else { continue }
            _ = try? await store.importPeers(from: source, .test)
        }
    }
}
