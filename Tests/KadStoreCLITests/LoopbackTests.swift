import Testing

/// Those that start nodes: one after the other, so that a small machine has time for the others.
@Suite("Nodes on this machine", .serialized)
struct LoopbackTests {
    @Test(
        "what the commands that ask a network print is documented, what is documented is printed",
        arguments: JSONSamples.runs.keys.filter(JSONSamples.isOfNetwork).sorted())
    func jsonShapes(command: String) async throws { try await JSONShapeTests.compare(command) }
}
