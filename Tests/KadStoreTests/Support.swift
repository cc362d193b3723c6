import Foundation
import Kademlia
import Multiformats
import TestSupport

@testable import KadStore

/// A folder of its own for each test, removed with it.
final class Scratch: Sendable {
    let folder: String

    init() {
        folder = NSTemporaryDirectory() + "kadstore-tests-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String = "peers.db") -> String { folder + "/" + name }

    /// A store whose keys are its ids, open while `body` runs.
    func withStore<Result>(
        _ name: String = "peers.db", _ network: Network = .plain, options: StoreOptions = StoreOptions(),
        _ body: (Store) async throws -> Result
    ) async throws -> Result {
        let store = try await Store.open(path(name), mode: .create(network, .private), options: options)
        let result = try await body(store)
        try await store.close()
        return result
    }
}

extension Network {
    /// Keys are ids: tests choose where a peer lies.
    static let plain = test(256)

    static func test(_ bits: Int) -> Network {
        guard let network = try? Network(name: "test", derivation: .identity, keyBits: bits, idEncoding: .hex) else {
            fatalError("the test network is not a network")
        }
        return network
    }
}

extension Instant {
    static func seconds(_ seconds: Int64) -> Instant { Instant(milliseconds: 1_700_000_000_000 + seconds * 1_000) }
}

extension Contact {
    static func test(_ key: Key) -> Contact {
        Contact(key: key, networkGroup: nil, firstSeen: .seconds(0), lastSeen: .seconds(0))
    }
}

extension Multiaddr {
    static func test(_ index: Int) -> Multiaddr {
        Multiaddr(ip: .v4(0x0a00_0000 | UInt32(truncatingIfNeeded: index & 0xff_ffff)), tcp: 4001)
    }
}

extension Store {
    /// The peer whose key is `key`.
    func peer(at key: Key) throws -> Peer {
        guard let id = PeerID(key.bytes(count: network.keyByteCount)) else { throw StoreError.closed }
        return try peer(id)
    }

    func hear(_ key: Key, at now: Instant = .seconds(0)) throws {
        try record(.heard(try peer(at: key), addresses: [.test(Int(key.word3 & 0xffff))], source: "test", at: now))
    }

    /// Writes bare rows, as many and as fast as possible.
    func fill(_ keys: some Sequence<Key> & Sendable) async throws {
        let sorted = Set(keys).sorted()
        let width = network.keyByteCount
        try await writer?.perform { writer in
            try writer.transaction { records in
                let insert = try records.reader.connection.statement(
                    """
                    INSERT INTO peer (key, id, addresses, first_seen, last_seen, last_ok)
                    VALUES (?1, ?1, x'', 0, 0, ?2)
                    """)
                for key in sorted {
                    // Odd keys have answered: something to filter by.
                    let answered: Int64? = key.word3 & 1 == 1 ? 0 : nil
                    try insert.bind(1, key, width: width).bind(2, answered).run()
                }
                try records.connection.execute("UPDATE tally SET peers = (SELECT count(*) FROM peer)")
            }
        }
    }
}

extension Store {
    /// Pages that an idle reader has read from the file so far.
    func cacheMisses() throws -> Int { try readers.withReader { Int($0.connection.cacheMisses) } }
}
