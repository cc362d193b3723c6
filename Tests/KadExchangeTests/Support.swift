import Foundation
import Kademlia
import Multiformats

@testable import KadExchange
@testable import KadStore

/// A folder of its own for each test, removed with it.
final class Scratch {
    let folder: String

    init() {
        folder = NSTemporaryDirectory() + "kadexchange-tests-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String) -> String { folder + "/" + name }

    func write(_ bytes: [UInt8], _ name: String = "file") throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
        return path(name)
    }

    func write(_ text: String, _ name: String = "file") throws -> String { try write(Array(text.utf8), name) }

    func store(
        _ network: Network = .libp2p, _ scope: Scope = .private, name: String = "peers-\(UUID().uuidString).db"
    ) async throws -> Store {
        try await Store.open(path(name), mode: .create(network, scope))
    }

    /// Imports text or bytes that are written to a file first.
    func `import`(
        _ bytes: [UInt8], into store: Store, format: ExchangeFormat? = nil, _ options: ImportOptions = .test
    ) async throws -> ImportReport {
        let source = try ImportSource.open(try write(bytes, "in-\(UUID().uuidString)"), format: format)
        return try await store.importPeers(from: source, options)
    }

    func `import`(
        _ text: String, into store: Store, format: ExchangeFormat? = nil, _ options: ImportOptions = .test
    ) async throws -> ImportReport {
        try await `import`(Array(text.utf8), into: store, format: format, options)
    }

    /// The bytes of an export.
    func export(_ store: Store, _ format: ExchangeFormat = .native, filter: PeerFilter = .all) async throws -> [UInt8] {
        var options = ExportOptions()
        options.format = format
        options.filter = filter
        let path = path("out-\(UUID().uuidString)")
        _ = try await store.exportPeers(to: path, options)
        return read(path)
    }

    func exportText(_ store: Store, _ format: ExchangeFormat = .native) async throws -> String {
        String(decoding: try await export(store, format), as: UTF8.self)
    }
}

func read(_ path: String) -> [UInt8] { Array((try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data()) }

/// The sample files that the README's tour uses as well.
func fixture(_ name: String, file: String = #filePath) -> String {
    URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/peers/\(name)").path
}

extension ImportOptions {
    /// At a fixed time, after all stamps of the samples.
    static let test = ImportOptions(now: .test)

    static func test(_ change: (inout ImportOptions) -> Void) -> ImportOptions {
        var options = ImportOptions.test
        change(&options)
        return options
    }
}

extension Instant {
    /// 2026-12-01T00:00:00Z
    static let test = Instant(milliseconds: 1_796_083_200_000)
    static func seconds(_ seconds: Int64) -> Instant { Instant(milliseconds: 1_780_000_000_000 + seconds * 1_000) }
}

extension Store {
    func allPeers() throws -> [PeerRecord] {
        var all: [PeerRecord] = []
        var next: Key?
        repeat {
            let page = try peers(after: next)
            all += page.peers
            next = page.next
        } while next != nil
        return all
    }

    func allCandidates() throws -> [Candidate] { try candidates(limit: 100_000).candidates }
}

extension PeerID {
    /// A libp2p id of an Ed25519 key that nobody has.
    static func test(_ number: UInt64) -> PeerID {
        var generator = SeededGenerator(seed: number)
        let key = (0..<4).flatMap { _ in withUnsafeBytes(of: generator.next().bigEndian, Array.init) }
        return PeerID([0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + key)!
    }

    var text: String { PeerIDEncoding.libp2p.encode(self) }
}
