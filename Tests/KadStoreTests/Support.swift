import Foundation
import Kademlia
import Multiformats

@testable import KadStore

/// A folder of its own for each test, removed with it.
final class Scratch {
    let folder: String

    init() {
        folder = NSTemporaryDirectory() + "kadstore-tests-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func path(_ name: String = "peers.db") -> String { folder + "/" + name }
}

extension Network {
    /// Keys are ids: tests choose where a peer lies.
    static let plain = try! Network(name: "test", derivation: .identity, keyBits: 256, idEncoding: .hex)
}

extension Instant {
    static func seconds(_ seconds: Int64) -> Instant { Instant(milliseconds: 1_700_000_000_000 + seconds * 1_000) }
}

extension Multiaddr {
    static func test(_ index: Int) -> Multiaddr {
        Multiaddr(ip: .v4(0x0a00_0000 | UInt32(truncatingIfNeeded: index & 0xff_ffff)), tcp: 4001)
    }
}

extension Store {
    func peer(at key: Key) throws -> Peer { try peer(PeerID(key.bytes())!) }

    func hear(_ key: Key, at now: Instant = .seconds(0)) throws {
        try record(.heard(try peer(at: key), addresses: [.test(Int(key.word3 & 0xffff))], source: "test", at: now))
    }
}
