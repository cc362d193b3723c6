import Foundation
import Testing

@testable import KadStore

@Suite("kadstore init")
struct InitTests {
    @Test("upgrades a store of an older schema, which other commands name")
    func upgrade() throws {
        let scratch = Scratch()
        let path = scratch.path("old.db")
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let dump = folder.appendingPathComponent("Fixtures/stores/V0001.sql")
        try Connection(path: path, access: .create).execute(String(contentsOf: dump, encoding: .utf8))
        let refused = try Command.run("stats", "--db", path)
        #expect(refused.status != 0 && refused.messages.contains("kadstore migrate --db"))
        let upgraded = try Command.run("init", "--db", path)
        #expect(upgraded.status == 0 && upgraded.messages.contains("from schema 1"))
        #expect(try Command.run("init", "--db", path).messages.contains("left as it is"))
        #expect(try Command.run("stats", "--db", path, "--json").json()["schema"] as? Int == 4)
    }

    @Test("creates a store of libp2p with public scope, for its owner alone")
    func defaults() async throws {
        let scratch = Scratch()
        let path = scratch.path("peers.db")
        let result = try Command.run("init", "--db", path)
        #expect(result.status == 0)
        #expect(result.output.isEmpty)
        #expect(result.messages.contains("Created"))
        let store = try await Store.open(path, mode: .readOnly)
        #expect(store.network == .libp2p)
        #expect(store.scope == .public)
        try await store.close()
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("takes the file from KADSTORE_DB, and ./peers.db without it")
    func places() throws {
        let scratch = Scratch()
        #expect(try Command.run("init", environment: ["KADSTORE_DB": scratch.path("named.db")]).status == 0)
        #expect(FileManager.default.fileExists(atPath: scratch.path("named.db")))
        #expect(try Command.run("init", folder: scratch.folder).status == 0)
        #expect(FileManager.default.fileExists(atPath: scratch.path("peers.db")))
    }

    @Test(
        "makes stores of every known network",
        arguments: [("libp2p", 256), ("mainline", 160), ("opendht", 160), ("devp2p", 256)])
    func networks(name: String, bits: Int) throws {
        let scratch = Scratch()
        #expect(
            try Command.run("init", "--db", scratch.path("a.db"), "--network", name, "--scope", "private").status == 0)
        let statistics = try Command.run("stats", "--db", scratch.path("a.db"), "--json").json()
        let network = try #require(statistics["network"] as? [String: Any])
        #expect(network["name"] as? String == name)
        #expect(network["keyBits"] as? Int == bits)
        #expect(network["scope"] as? String == "private")
    }

    @Test("makes a network of one's own when it is told how keys are derived")
    func ownNetwork() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let incomplete = try Command.run("init", "--db", path, "--network", "mynet")
        #expect(incomplete.status == 64)
        #expect(incomplete.messages.contains("--key-derivation"))
        #expect(!FileManager.default.fileExists(atPath: path))
        let complete = try Command.run(
            "init", "--db", path, "--network", "mynet", "--key-derivation", "identity", "--key-bits", "128")
        #expect(complete.status == 0)
        #expect(try Command.run("init", "--db", path, "--network", "libp2p", "--key-bits", "160").status == 64)
    }

    @Test("leaves a store of the same network as it is, and refuses another")
    func again() throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        #expect(try Command.run("init", "--db", path).status == 0)
        let again = try Command.run("init", "--db", path)
        #expect(again.status == 0)
        #expect(again.messages.contains("already"))
        let other = try Command.run("init", "--db", path, "--network", "mainline")
        #expect(other.status == 78)
        #expect(other.messages.contains("libp2p"))
        #expect(try Command.run("init", "--db", path, "--scope", "private").status == 78)
    }

    @Test("says that a file in a missing folder cannot be created")
    func missingFolder() throws {
        let scratch = Scratch()
        let result = try Command.run("init", "--db", scratch.path("no/such/folder.db"))
        #expect(result.status == 73)
        #expect(result.messages.hasPrefix("kadstore: "))
    }
}
