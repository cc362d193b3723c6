import Foundation
import KadLibp2p
import KadNode
import KadStore
import Multiformats
import Testing

/// The README's node over libp2p, between the markers. It stands here so that it is compiled and run.
private func example(_ folder: String, bootstrap: [(PeerID, [Multiaddr])]) async throws -> [UInt8]? {
    // README begins
    let keys = try KeyPair(contentsOfOrSavingTo: "\(folder)node.identity")  // who the node is, in every life
    let store = try await Store.open("\(folder)node.db", mode: .create(.libp2p, .private))
    let swarm = Swarm(keys: keys, configuration: SwarmConfiguration(scope: store.scope))
    let node = try await KadNode(
        store: store, id: keys.peerID, transport: Libp2pTransport(swarm: swarm), bootstrap: bootstrap,
        validators: .libp2p(accepting: ["test"]))
    swarm.serve(node)
    try await swarm.listen(on: [Multiaddr("/ip4/127.0.0.1/tcp/0"), Multiaddr("/ip6/::1/tcp/0")])
    let running = Task { try await node.run() }
    let key = Array("/test/greeting".utf8)
    let report = try await node.put(key: key, value: Array("hello".utf8))
    let found = try await node.get(key: key) ?? []
    print("\(report.accepted.count) peers took it:", String(decoding: found, as: UTF8.self))
    running.cancel()
    try await running.value
    await swarm.shutdown()
    // README ends
    let kept = try store.value(key)?.value
    try await store.close()
    return kept
}

@Suite("The README's node over libp2p")
struct ReadmeTests {
    @Test("runs beside another one, and its value is in the store")
    func runs() async throws {
        let folder = NSTemporaryDirectory() + "kadlibp2p-readme-\(UInt64.random(in: .min ... .max))/"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let other = try await Station()
        let kept = try await example(folder, bootstrap: [(other.swarm.peerID, other.swarm.listenAddresses)])
        #expect(kept == Array("hello".utf8))
        try await other.end()
    }

    @Test("is the one that is compiled")
    func isCompiled() throws {
        let here = URL(filePath: #filePath)
        let readme = here.appending(path: "../../../../README.md").standardized
        let shown = try String(contentsOf: readme, encoding: .utf8)
        let source = try String(contentsOf: here, encoding: .utf8)
        let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
        let begin = try #require(lines.firstIndex { $0.hasSuffix("// README begins") })
        let end = try #require(lines.lastIndex { $0.hasSuffix("// README ends") })
        let code = lines[(begin + 1)..<end].map { $0.dropFirst(4) }.joined(separator: "\n")
        let expected = code.replacing("\\(folder)", with: "") + "\ntry await store.close()\n```"
        #expect(shown.contains(expected), "README.md shows something else than:\n\(expected)")
    }
}
