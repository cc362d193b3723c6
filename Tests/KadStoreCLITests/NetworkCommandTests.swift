import Foundation
import KadStore
import Kademlia
import Testing

#if canImport(Glibc)
import Glibc
#endif

extension LoopbackTests {
    @Suite("Commands that ask the network")
    struct NetworkCommandTests {
        private func ids(_ result: Command.Result, _ member: String) throws -> Set<String> {
            Set((try result.json()[member] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String })
        }

        @Test("find peers, put and get values, provide keys and find providers, beside a node on the same file")
        func all() async throws {
            let nodes = Nodes()
            let network = try await nodes.network(4)
            let own = try await nodes.start("own.db", bootstrap: [network[0]])
            _ = try await Nodes.event("ready", of: own.process)
            #expect(try await nodes.run("init", "--db", "far.db", "--scope", "private").status == 0)

            // By the running node's own store, and from afar, by a store that knows nobody.
            let near = try await nodes.run("lookup", network[3].id, "--db", "own.db", "--json")
            #expect(near.status == 0, "\(near.messages)")
            #expect(try ids(near, "peers").isSuperset(of: network.map(\.id)))
            let far = try await nodes.run(
                "lookup", "hello world", "--db", "far.db", "--bootstrap", network[1].address, "--json")
            #expect(far.status == 0, "\(far.messages)")
            #expect(try ids(far, "peers") == Set((network + [own]).map(\.id)))
            let text = try await nodes.run("lookup", network[2].id, "--db", "far.db")
            #expect(text.lines.count == 6 && text.lines[1].contains(network[2].id), "\(text.output)")
            #expect(text.messages.contains("5 answers") && text.messages.contains("5 peers"), "\(text.messages)")

            // A value, of a namespace that is taken here as it comes.
            let key = "/test/hello"
            let put = try await nodes.run("put", key, "first", "--accept", "test", "--db", "own.db", "--json")
            #expect(put.status == 0, "\(put.messages)")
            #expect((try put.json()["accepted"] as? [String])?.isEmpty == false)
            let got = try await nodes.run("get", key, "--accept", "test", "--db", "far.db")
            #expect(got.status == 0 && got.output == "first", "\(got.messages)")
            #expect(
                try await nodes.run("get", key, "--accept", "test", "--db", "far.db", "--output", "value").status == 0)
            #expect(try String(contentsOfFile: nodes.scratch.path("value"), encoding: .utf8) == "first")
            let none = try await nodes.run("get", "/test/nothing", "--accept", "test", "--db", "far.db")
            #expect(none.status == 1 && none.output.isEmpty, "\(none.messages)")
            #expect(try await nodes.run("get", key, "--db", "far.db").status == 64)
            let binary = Data((0..<1_000).map { UInt8(truncatingIfNeeded: $0) })
            try binary.write(to: URL(fileURLWithPath: nodes.scratch.path("binary")))
            #expect(
                try await nodes.run("put", "/test/binary", "@binary", "--accept", "test", "--db", "far.db").status == 0)
            #expect(
                try await nodes.run("get", "/test/binary", "--accept", "test", "--db", "own.db", "--output", "back")
                    .status == 0)
            #expect(try Data(contentsOf: URL(fileURLWithPath: nodes.scratch.path("back"))) == binary)

            // The node of the store provides something.
            let content = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
            let provide = try await nodes.run(
                "provide", content, "--db", "own.db", "--json", "--address", own.place)
            #expect(provide.status == 0, "\(provide.messages)")
            #expect(try provide.json()["peer"] as? String == own.id)
            let providers = try await nodes.run("providers", content, "--db", "far.db", "--json")
            #expect(providers.status == 0, "\(providers.messages)")
            #expect(try ids(providers, "providers") == [own.id])
            #expect(try await nodes.run("providers", "nothing", "--db", "far.db").status == 1)
            #expect(try await nodes.run("provide", content, "--db", "far.db", "--address", own.place).status == 66)

            // The clients left neither identities nor a table behind, and the node is still well.
            for (database, count) in [("own.db", 1), ("far.db", 0)] {
                let store = try await Store.open(nodes.scratch.path(database), mode: .readOnly)
                #expect(try store.identities().count == count)
                try await store.close()
                #expect(try await nodes.run("check", "--full", "--db", database).status == 0)
            }
            #expect(try await nodes.stop(own).status == 0)
        }

        @Test("end with the status that says what became of it")
        func statuses() async throws {
            let nodes = Nodes()
            let node = try await nodes.start("a.db")
            #expect(try await nodes.run("init", "--db", "b.db", "--scope", "private").status == 0)
            #expect(try await nodes.run("lookup", "hello", "--db", "none.db").status == 66)
            let alone = try await nodes.run("lookup", "hello", "--db", "b.db")
            #expect(alone.status == 1 && alone.output.isEmpty && alone.messages.contains("nobody answered"))
            #expect(
                try await nodes.run("lookup", "hello", "--db", "b.db", "--bootstrap", "/ip4/127.0.0.1/tcp/1").status
                    == 64)
            #expect(try await nodes.run("lookup", "x", "--db", "b.db").status == 64)
            #expect(try await nodes.run("put", "nokey", "x", "--db", "b.db").status == 64)
            #expect(try await nodes.run("put", "/test/x", "@nofile", "--accept", "test", "--db", "b.db").status == 66)
            // One peer takes a value, two do not: they take no values of that namespace.
            for name in ["c.db", "d.db"] {
                let other = try await nodes.start(name, bootstrap: [node], accepting: nil)
                _ = try await Nodes.event("ready", of: other.process)
            }
            #expect(try await nodes.run("init", "--db", "e.db", "--scope", "private").status == 0)
            let refused = try await nodes.run(
                "put", "/test/x", "x", "--accept", "test", "--db", "e.db", "--bootstrap", node.address, "--json")
            #expect(refused.status == 3 && refused.messages.contains("most of the nearest"), "\(refused.messages)")
            #expect((try refused.json()["accepted"] as? [String]) == [node.id], "\(refused.output)")
            // A node that stands still: its system takes the connection, and nothing comes.
            kill(node.process.identifier, SIGSTOP)
            let late = try await nodes.run(
                "lookup", "hello", "--db", "b.db", "--bootstrap", node.address, "--timeout", "300ms")
            #expect(late.status == 3 && late.messages.contains("--timeout"), "\(late.messages)")
            let waiting = try Command.start(
                [
                    "get", "/test/x", "--accept", "test", "--db", "b.db", "--bootstrap", node.address, "--log-level",
                    "info",
                ], folder: nodes.scratch.folder)
            while try !waiting.messages.contains("node started"), waiting.isRunning { try await Nodes.pause() }
            kill(waiting.identifier, SIGINT)
            let interrupted = try await Nodes.waiting(for: waiting)
            #expect(!interrupted.isSignalled && interrupted.status == 3, "\(interrupted.messages)")
            kill(node.process.identifier, SIGCONT)
        }

        @Test("crawl: finds everybody, and goes on where it was killed, visiting nobody again")
        func crawl() async throws {
            let nodes = Nodes()
            let network = try await nodes.network(8)
            let gone = try await nodes.start("gone.db", bootstrap: [network[0]])
            _ = try await Nodes.event("ready", of: gone.process)
            try await nodes.stop(gone, by: SIGKILL)
            // One stands still: whoever asks it waits.
            let still = network[5]
            kill(still.process.identifier, SIGSTOP)
            let arguments = [
                "crawl", "--db", "net.db", "--scope", "private", "--parallel", "1", "--bootstrap", network[0].address,
            ]
            let first = try Command.start(arguments, folder: nodes.scratch.folder)
            let path = nodes.scratch.path("net.db")
            var seen: [Key: Instant] = [:]
            // Until it has stood still for two looks: it waits for that one, and what it did before is committed.
            var last = -1
            while first.isRunning {
                try await Task.sleep(for: .milliseconds(700))
                guard let store = try? await Store.open(path, mode: .readOnly) else { continue }
                let visited = try store.runningCrawl()?.visited ?? 0
                if visited > 0, visited == last {
                    for record in try store.peers(after: nil, limit: 100).peers
                    where try store.visit(of: record.key) != nil {
                        seen[record.key] = record.lastOK
                    }
                }
                last = visited
                try await store.close()
                if !seen.isEmpty { break }
            }
            try #require(!seen.isEmpty)
            kill(first.identifier, SIGKILL)
            _ = try await Nodes.waiting(for: first)
            kill(still.process.identifier, SIGCONT)

            let second = try await nodes.run(arguments + ["--json", "--all"])
            #expect(second.status == 0, "\(second.messages)")
            let result = try second.json()
            #expect(result["isResumed"] as? Bool == true && result["isComplete"] as? Bool == true)
            #expect((result["answered"] as? Int).map { $0 >= 8 } == true, "\(result)")
            #expect(result["remaining"] as? Int == 0)
            let store = try await Store.open(path, mode: .readOnly)
            let records = try store.peers(after: nil, limit: 100).peers
            let encode = store.network.idEncoding.encode
            let answered = Set(records.filter { $0.standing == .answered }.map { encode($0.id) })
            #expect(answered == Set(network.map(\.id)))
            // Whom the first run was done with, the second did not ask.
            for record in records where seen[record.key] != nil { #expect(record.lastOK == seen[record.key]) }
            #expect(try store.runningCrawl() == nil)
            let agents = try #require(result["agents"] as? [[String: Any]])
            #expect(agents.contains { ($0["agent"] as? String)?.hasPrefix("kadstore/") == true }, "\(agents)")
            try await store.close()
        }

        @Test("crawl: interrupted, it says how to go on")
        func interruptedCrawl() async throws {
            let nodes = Nodes()
            let network = try await nodes.network(2)
            kill(network[1].process.identifier, SIGSTOP)
            let crawl = try Command.start(
                ["crawl", "--db", "net.db", "--scope", "private", "--json", "--log-level", "info", "--bootstrap"]
                    + network.map(\.address), folder: nodes.scratch.folder)
            while try !crawl.messages.contains("node started"), crawl.isRunning { try await Nodes.pause() }
            kill(crawl.identifier, SIGINT)
            let result = try await Nodes.waiting(for: crawl)
            kill(network[1].process.identifier, SIGCONT)
            #expect(result.status == 3 && !result.isSignalled, "\(result.messages)")
            #expect(result.messages.contains("goes on where"), "\(result.messages)")
            let again = try await nodes.run("crawl", "--db", "net.db", "--all")
            #expect(again.status == 0, "\(again.messages)")
            #expect(again.messages.contains("2 peers: 2 answered"), "\(again.messages)")
        }
    }
}
