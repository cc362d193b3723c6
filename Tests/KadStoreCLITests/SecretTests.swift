import Foundation
import KadLibp2p
import Multiformats
import Testing

@testable import KadStore

#if canImport(Glibc)
import Glibc
#endif

@Suite("Secrets")
struct SecretTests {
    /// As a program might write bytes.
    private func forms(_ secret: [UInt8]) -> [[UInt8]] {
        let hex = secret.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let data = Data(secret)
        // Within a longer text base 64 has three alignments: what lies between the ends is the same in each.
        let aligned = (0..<3).map { skip in
            let text = Data([UInt8](repeating: 0, count: skip) + secret).base64EncodedString()
            return String(text.dropFirst(4).dropLast(4))
        }
        let texts: [String] =
            [hex, hex.uppercased(), Base58.encode(secret) ?? hex, data.base64EncodedString(), "\(secret)"] + aligned
            + aligned.map { $0.replacing("+", with: "-").replacing("/", with: "_") }
        return [secret] + texts.map { Array($0.utf8) }
    }

    private func contains(_ data: Data, _ secrets: [[UInt8]]) -> Bool {
        secrets.contains { data.range(of: Data($0)) != nil }
    }

    @Test(
        "salt and node key are in no output, log, export, report or conversion of any command; in a backup alone, which is a copy"
    )
    func nowhere() async throws {
        let scratch = Scratch()
        let path = scratch.path("peers.db")
        let peers = try await Samples.fill(path, count: 12)
        let keys = try KeyPair()
        try keys.save(to: path + ".identity")
        _ = try await Samples.addIdentity(path, peers)
        let salt = (0..<32).map { UInt8($0 * 7 + 3) }
        let hex = salt.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        try Samples.execute("UPDATE network SET salt = x'\(hex)', seal = NULL", on: path)
        try Data("/ip4/10.0.0.1/tcp/1/p2p/\(EveryCommand.peer(40))\nrubbish\n".utf8)
            .write(to: URL(fileURLWithPath: scratch.path("list.txt")))
        // What the key file holds: the private key after its head, with the public one behind it.
        let stored = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".identity")))
        let seed = Array(stored.suffix(64).prefix(32))
        let secrets = [salt, seed].flatMap(forms)
        #expect(contains(Data(stored), secrets))
        for command in EveryCommand.runs.map(\.command) {
            for json in [false, true] {
                for (line, result) in try await EveryCommand.results(
                    of: command, on: "peers.db", in: scratch.folder, json: json)
                {
                    #expect(!contains(Data((result.output + result.messages).utf8), secrets), "\(line)")
                }
            }
        }
        // Every file that came of it.
        var seen: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: scratch.folder) {
            let data = try Data(contentsOf: URL(fileURLWithPath: scratch.path(name)))
            let isCopy = name.hasPrefix("peers.db") || name == "backup.db"
            if isCopy { continue }
            #expect(!contains(data, secrets), "\(name)")
            seen.append(name)
        }
        #expect(Set(seen).isSuperset(of: ["all.jsonl", "all.csv", "all.txt", "again.csv", "report.html"]))
        let backup = try Data(contentsOf: URL(fileURLWithPath: scratch.path("backup.db")))
        #expect(contains(backup, forms(salt)) && !contains(backup, forms(seed)))
    }

    @Test("what was searched for stays in no store, log or message")
    func targets() async throws {
        let nodes = Nodes()
        let first = try await nodes.start("0.db")
        let wanted = "a-key-that-nobody-else-would-ask-for"
        #expect(try await nodes.run("init", "--db", "net.db", "--scope", "private").status == 0)
        let more = ["--db", "net.db", "--bootstrap", first.address, "--log-level", "info", "--timeout", "5s"]
        _ = try await nodes.run(["lookup", wanted] + more)
        _ = try await nodes.run(["providers", wanted] + more)
        let asked = try await nodes.stop(first)
        #expect(!(asked.output + asked.messages).contains(wanted))
        for name in try FileManager.default.contentsOfDirectory(atPath: nodes.scratch.folder) {
            let data = try Data(contentsOf: URL(fileURLWithPath: nodes.scratch.path(name)))
            #expect(data.range(of: Data(wanted.utf8)) == nil, "\(name)")
        }
    }
}
