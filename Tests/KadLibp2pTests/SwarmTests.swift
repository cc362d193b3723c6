import Multiformats
import NIOCore
import Testing

@testable import KadLibp2p

@Suite("Two swarms")
struct SwarmTests {
    @Test(
        "exchange a stream over IPv4 and IPv6, each knowing who and where the other is",
        arguments: ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"])
    func exchange(address: String) async throws {
        guard await canListen(on: address) else { return }
        try await SwarmPair.with(on: address) { pair in
            let stream = try await pair.stream()
            #expect(stream.remote == pair.listener.peerID)
            #expect([stream.remoteAddress] == pair.listener.listenAddresses)
            try await stream.write(ByteBuffer(string: "hello"))
            #expect(try await stream.read(exactly: 5) == Array("hello".utf8))
            await stream.closeWriting()
            #expect(try await stream.read() == nil)
        }
    }

    @Test("carry hundreds of streams at once over one connection")
    func manyStreams() async throws {
        var wide = SwarmConfiguration.test
        wide.streamsPerPeer = 256
        try await SwarmPair.with(listening: wide) { pair in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let stream = try await pair.stream()
                        let text = Array("stream \(number)".utf8)
                        try await stream.write(ByteBuffer(bytes: text))
                        await stream.closeWriting()
                        #expect(try await stream.readAll() == text)
                    }
                }
                try await group.waitForAll()
            }
            #expect(pair.dialer.connectionCount == 1)
            try await eventually("all streams are released") {
                pair.listener.state.withLock { $0.served.isEmpty && $0.servedCount == 0 }
            }
        }
    }
}
