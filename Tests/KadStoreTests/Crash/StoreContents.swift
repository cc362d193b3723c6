import Foundation
import Kademlia
import Multiformats

@testable import KadStore

/// Everything that a file holds and a user would miss, in a form that does not depend on how it came there.
enum StoreContents: Equatable {
    /// No file, an empty one, or a database that is not yet a store.
    case nothing
    /// A store of an older schema, row by row.
    case older(version: Int, tables: [String: [[String]]])
    case store(Everything)
    /// A file that SQLite cannot read to its end, byte for byte.
    case damaged(Data)

    struct Everything: Equatable {
        var network: Network
        var peerCap: Int64
        var peers: [PeerRecord]
        var candidates: [Candidate]
        /// The other tables, row by row.
        var tables: [String: [[String]]]
    }

    /// Tables whose rows hold numbers that say in what order strings were met, how far a writer has come, or when an upgrade
    /// was made.
    private static let derived: Set = [
        "peer", "candidate", "agent", "protocol_set", "source", "writer", "value", "migration",
    ]

    static func of(_ path: String) async throws -> StoreContents {
        guard FileManager.default.fileExists(atPath: path) else { return .nothing }
        do throws(StoreError) {
            let store = try await Store.open(path, mode: .readOnly)
            let contents: StoreContents
            do throws(StoreError) {
                contents = try everything(of: store)
            } catch {
                try await store.close()
                throw error
            }
            try await store.close()
            return contents
        } catch {
            switch error {
            case .emptyDatabase: return .nothing
            case .corrupt: return .damaged(try Data(contentsOf: URL(fileURLWithPath: path)))
            case .olderSchema(_, let version, _): return .older(version: version, tables: try tables(path, but: []))
            default: throw error
            }
        }
    }

    private static func everything(of store: Store) throws(StoreError) -> StoreContents {
        var peers: [PeerRecord] = []
        var last: Key?
        repeat {
            let page = try store.peers(after: last)
            peers += page.peers
            last = page.next
        } while last != nil
        let candidates = try store.candidates().candidates
        let rows: [String: [[String]]]
        do {
            rows = try tables(store.path, but: derived)
        } catch {
            throw StoreError.of(error, path: store.path)
        }
        return .store(
            Everything(
                network: store.network, peerCap: store.peerCap, peers: peers, candidates: candidates, tables: rows))
    }

    private static func tables(_ path: String, but left: Set<String>) throws -> [String: [[String]]] {
        let connection = try Connection(path: path, access: .readWrite)
        try connection.execute("PRAGMA query_only = ON")
        let names = try connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        var rows: [String: [[String]]] = [:]
        while try names.step() {
            let name = names.text(0)
            if !left.contains(name) { rows[name] = try OldFile.rows(connection, name) }
        }
        guard left.contains("value") else { return rows }
        let values = try connection.prepare(
            "SELECT key, bytes, received_at, expires_at, is_own FROM value ORDER BY key")
        while try values.step() { rows["value", default: []].append((Int32(0)..<5).map { "\(values.array($0))" }) }
        return rows
    }

    /// What is different, for people.
    func difference(from other: StoreContents) -> String {
        switch (self, other) {
        case (.store(let ours), .store(let theirs)):
            let names = Set(ours.tables.keys).union(theirs.tables.keys).sorted()
            let tables = names.filter { ours.tables[$0] != theirs.tables[$0] }
            let peers = Set(ours.peers).symmetricDifference(theirs.peers).count
            return "\(ours.peers.count) and \(theirs.peers.count) peers, \(peers) differ; tables \(tables)"
        case (.nothing, .nothing): return "none"
        case (.nothing, _): return "nothing there"
        case (_, .nothing): return "something there"
        case (.damaged, .damaged): return "other damage"
        case (.damaged, _): return "damaged"
        default: return "another schema"
        }
    }
}
