import Foundation
import KadStore
import Testing

#if canImport(Glibc)
import Glibc
#endif

extension LoopbackTests {
    @Suite("kadstore node")
    struct NodeCommandTests {
        /// How many peers a store has, read beside the node that writes it.
        private func peers(_ nodes: Nodes, _ database: String) async throws -> Int {
            let result = try await nodes.run("stats", "--db", database, "--json")
            #expect(result.status == 0, "\(result.messages)")
            return try result.json()["peers"] as? Int ?? 0
        }

        @Test(
            "creates store and key, tells where it listens, and ends cleanly when it is told to",
            arguments: [SIGTERM, SIGINT])
        func life(signal: Int32) async throws {
            let nodes = Nodes()
            let first = try await nodes.start("a.db")
            let key = nodes.scratch.path("a.db.identity")
            let attributes = try FileManager.default.attributesOfItem(atPath: key)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            #expect(first.address.hasPrefix("/ip4/127.0.0.1/tcp/") && first.address.hasSuffix("/p2p/\(first.id)"))
            #expect(try await Nodes.event("ready", of: first.process) != nil)
            // Others work on the store meanwhile.
            #expect(try await nodes.run("check", "--full", "--db", "a.db").status == 0)
            let result = try await nodes.stop(first, by: signal)
            #expect(result.status == 0 && !result.isSignalled, "\(result.messages)")
            #expect(result.messages.contains("Created a.db: network libp2p, private scope."))
            #expect(result.messages.contains("node stopped"))
            #expect(try await Nodes.event("stopped", of: first.process) != nil)

            let again = try await nodes.start("a.db")
            #expect(again.id == first.id)
            let end = try await nodes.stop(again)
            #expect(end.status == 0 && !end.messages.contains("Created"), "\(end.messages)")
            // With another's key it says that the table is not its own.
            let other = try await nodes.start("a.db", "--identity", "other.key")
            #expect(other.id != first.id)
            #expect(try await nodes.stop(other).messages.contains("its table begins empty"))
        }

        @Test("ends cleanly though those whom it asks stand still, and at once at a second signal")
        func urgent() async throws {
            let nodes = Nodes()
            let still = try await nodes.start("still.db")
            kill(still.process.identifier, SIGSTOP)
            let patient = try await nodes.start("a.db", bootstrap: [still])
            #expect(try await nodes.stop(patient).status == 0)

            let node = try await nodes.start("a.db", bootstrap: [still])
            // Its last words cannot be written.
            let lock = open(nodes.scratch.path("a.db-lock"), O_RDWR)
            #expect(flock(lock, LOCK_EX) == 0)
            while node.process.isRunning {
                kill(node.process.identifier, SIGTERM)
                try await Task.sleep(for: .milliseconds(200))
            }
            let result = try await Nodes.waiting(for: node.process)
            close(lock)
            #expect(result.isSignalled, "\(result.status), \(result.messages)")
            #expect(try await nodes.run("check", "--full", "--db", "a.db").status == 0)
        }

        @Test("prints one line with its id and addresses")
        func line() async throws {
            let scratch = Scratch()
            let process = try Command.start(
                ["node", "--db", "a.db", "--scope", "private", "--listen", "/ip4/127.0.0.1/tcp/0"],
                folder: scratch.folder)
            while try !process.output.contains("\n"), process.isRunning { try await Nodes.pause() }
            kill(process.identifier, SIGTERM)
            let result = try await Nodes.waiting(for: process)
            #expect(result.status == 0, "\(result.messages)")
            let words = try #require(result.lines.first).split(separator: " ")
            #expect(result.lines.count == 1 && words.count == 2 && words[1].hasSuffix("/p2p/\(words[0])"))
        }

        @Test("is warm after it was killed: without bootstrap it knows those whom it had met, and finds them")
        func warm() async throws {
            let nodes = Nodes()
            let network = try await nodes.network(4)
            let victim = try await nodes.start("victim.db", bootstrap: [network[0]])
            _ = try await Nodes.event("ready", of: victim.process)
            // What it has learnt is committed within a second.
            while try await peers(nodes, "victim.db") < 4 { try await Task.sleep(for: .milliseconds(50)) }
            let end = try await nodes.stop(victim, by: SIGKILL)
            #expect(end.isSignalled)
            #expect(try await nodes.run("check", "--full", "--db", "victim.db").status == 0)

            let again = try await nodes.start("victim.db")
            #expect(again.id == victim.id)
            let ready = try #require(try await Nodes.event("ready", of: again.process))
            #expect(ready["contacts"]?.integer.map { $0 >= 4 } == true, "\(ready)")
            // Those of before have answered anew.
            let found = try await nodes.run("lookup", network[3].id, "--db", "victim.db", "--json")
            #expect(found.status == 0, "\(found.messages)")
            let ids = Set((try found.json()["peers"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String })
            #expect(ids.isSuperset(of: network.map(\.id)))
            #expect(try await nodes.stop(again).status == 0)
        }

        @Test("serves its metrics, and says where")
        func metrics() async throws {
            let nodes = Nodes()
            let first = try await nodes.start("a.db")
            let second = try await nodes.start("b.db", bootstrap: [first], "--metrics", "0")
            let url = try #require(second.metrics)
            #expect(url.hasPrefix("http://127.0.0.1:") && url.hasSuffix("/metrics"))
            _ = try await Nodes.event("ready", of: second.process)
            var samples = try WebPage.metrics(url)
            while samples["kadstore_calls_total{outcome=\"answered\"}"] ?? 0 < 1
                || samples["kadstore_table_contacts"] != 1
            {
                try await Task.sleep(for: .milliseconds(50))
                samples = try WebPage.metrics(url)
            }
            let answered = try #require(samples["kadstore_calls_total{outcome=\"answered\"}"])
            #expect(samples["kadstore_call_duration_seconds_count"].map { $0 >= answered } == true)
            #expect(samples["metrics_refused_total"] == 0)
            #expect(try WebPage.text(url.replacing("/metrics", with: "/healthz")) == "ok\n")
            #expect(try await nodes.stop(second).status == 0)
            #expect(throws: WebPage.Fault.self) { try WebPage.text(url) }
        }

        @Test("logs JSON lines on request, and nothing below its level")
        func logs() async throws {
            let nodes = Nodes()
            let node = try await nodes.start("a.db", "--log-format", "json", "--log-level", "debug")
            let result = try await nodes.stop(node)
            let lines = result.messages.split(separator: "\n").filter { $0.hasPrefix("{") }
            #expect(lines.count >= 2)
            for line in lines { #expect(try JSONValue(line)["level"] != nil) }
            let quiet = try await nodes.start("a.db", "--log-level", "error")
            #expect(try await nodes.stop(quiet).messages == "")
        }

        @Test("runs alone with its key, and says so when every user may read that")
        func key() async throws {
            let nodes = Nodes()
            let node = try await nodes.start("a.db")
            let listen = ["--scope", "private", "--listen", "/ip4/127.0.0.1/tcp/0", "--wait", "0"]
            for database in ["a.db", "b.db"] {
                let more = ["--db", database, "--identity", "a.db.identity"]
                let second = try await nodes.run(["node"] + more + listen)
                #expect(second.status == 75 && second.messages.contains("runs with this key"), "\(second.messages)")
            }
            #expect(try await !nodes.stop(node).messages.contains("chmod"))
            let path = nodes.scratch.path("a.db.identity")
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            let again = try await nodes.start("a.db")
            #expect(again.id == node.id)
            #expect(try await nodes.stop(again).messages.contains("chmod 600"))
        }

        @Test("waits where no descriptor is left for a connection, and goes on once there is one")
        func descriptors() async throws {
            let nodes = Nodes()
            let process = try Command.startShell(
                "ulimit -n 40; exec \"$KADSTORE\" node --db a.db --scope private --listen /ip4/127.0.0.1/tcp/0 --json",
                folder: nodes.scratch.folder)
            defer { if process.isRunning { kill(process.identifier, SIGKILL) } }
            let event = try #require(try await Nodes.event("listening", of: process))
            let address = try #require(event["addresses"]?.elements.first?.text)
            let port = try #require(UInt16(address.split(separator: "/")[3]))
            let callers = try (0..<40).map { _ in try WebPage.connection(to: port) }
            while try !process.messages.contains("no connection can be accepted"), process.isRunning {
                try await Nodes.pause()
            }
            for caller in callers { close(caller) }
            #expect(try await nodes.run("init", "--db", "b.db", "--scope", "private").status == 0)
            let found = try await nodes.run("lookup", "hello", "--db", "b.db", "--bootstrap", address)
            #expect(found.status == 0, "\(found.messages)")
            kill(process.identifier, SIGTERM)
            #expect(try await Nodes.waiting(for: process).status == 0)
        }

        @Test("what is meant for a person whose end is closed goes into no file and to no peer")
        func closedDescriptors() async throws {
            let nodes = Nodes()
            #expect(try await nodes.run("init", "--db", "a.db").status == 0)
            let result = try Command.shell("\"$KADSTORE\" stats --db a.db >&-", folder: nodes.scratch.folder)
            // Whatever else had got the number would have said something else.
            #expect(result.status == 74 && result.messages.contains(String(cString: strerror(EBADF))), "\(result)")
            let process = try Command.startShell(
                "exec \"$KADSTORE\" node --db b.db --scope private --listen /ip4/127.0.0.1/tcp/0 --json <&- 2>&-",
                folder: nodes.scratch.folder)
            defer { if process.isRunning { kill(process.identifier, SIGKILL) } }
            #expect(try await Nodes.event("ready", of: process) != nil)
            #if os(Linux)
            for number in [0, 2] {
                let place = "/proc/\(process.identifier)/fd/\(number)"
                #expect(try FileManager.default.destinationOfSymbolicLink(atPath: place) == "/dev/null")
            }
            #endif
            kill(process.identifier, SIGTERM)
            #expect(try await Nodes.waiting(for: process).status == 0)
        }

        @Test("refuses what it cannot do, and says why")
        func refusals() async throws {
            let nodes = Nodes()
            let node = try await nodes.start("a.db")
            let port = node.address.split(separator: "/")[3]
            func expect(
                _ status: Int32, _ text: String, _ arguments: String..., line: Int = #line
            ) async throws {
                let result = try await nodes.run(["node"] + arguments)
                #expect(result.status == status, "line \(line): \(result.messages)")
                #expect(result.messages.contains(text), "line \(line): \(result.messages)")
            }
            let new = ["--db", "b.db", "--scope", "private"]
            try await expect(73, "\(port)", new[0], new[1], new[2], new[3], "--listen", "/ip4/127.0.0.1/tcp/\(port)")
            try await expect(64, "bootstrap", "--db", "b.db", "--bootstrap", "/ip4/127.0.0.1/tcp/1")
            try await expect(64, "--metrics", "--db", "b.db", "--metrics", "x")
            try await expect(64, "pk", "--db", "b.db", "--accept", "pk")
            try await expect(64, "--listen", "--db", "c.db", "--listen", "/ip4/127.0.0.1/udp/4001")
            try await expect(64, "--announce", "--db", "c.db", "--announce", "/ip4/0.0.0.0/tcp/4001")
            for name in ["c.db", "c.db.identity"] {
                #expect(!FileManager.default.fileExists(atPath: nodes.scratch.path(name)))
            }
            try await expect(78, "private", "--db", "a.db", "--scope", "public", "--listen", "/ip4/127.0.0.1/tcp/0")
            try Data("rubbish".utf8).write(to: URL(fileURLWithPath: nodes.scratch.path("bad.key")))
            try await expect(
                65, "bad.key", "--db", "b.db", "--identity", "bad.key", "--listen", "/ip4/127.0.0.1/tcp/0")
            #expect(try await nodes.run("init", "--db", "m.db", "--network", "mainline").status == 0)
            try await expect(78, "mainline", "--db", "m.db", "--listen", "/ip4/127.0.0.1/tcp/0")
        }
    }
}
