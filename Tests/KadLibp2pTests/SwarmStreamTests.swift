import Multiformats
import NIOCore
import Synchronization
import Testing

@testable import KadLibp2p

@Suite("Streams of a swarm")
struct SwarmStreamTests {
    @Test("megabytes arrive whole, many transfers at a time, in both directions")
    func transfers() async throws {
        try await SwarmPair.with { pair in
            let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let stream = try await pair.stream()
                        async let echoed = stream.readAll()
                        try await stream.write(ByteBuffer(bytes: bytes))
                        await stream.closeWriting()
                        #expect(try await echoed == bytes)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a reader that takes nothing stops its writer, at a window and a piece")
    func slowReader() async throws {
        try await SwarmPair.with { pair in
            let (gate, opening) = AsyncStream<Void>.makeStream()
            let received = Mutex(0)
            pair.listener.handle("/slow/1.0.0") { stream in
                for await _ in gate {}
                while let bytes = try await stream.read() { received.withLock { $0 += bytes.readableBytes } }
            }
            let stream = try await pair.stream(speaking: ["/slow/1.0.0"])
            let written = Mutex(0)
            let piece = ByteBuffer(repeating: 7, count: 16 * 1_024)
            let total = 4 << 20
            let writer = Task {
                while written.withLock({ $0 }) < total {
                    try await stream.write(piece)
                    written.withLock { $0 += piece.readableBytes }
                }
                await stream.closeWriting()
            }
            let window = 256 * 1_024
            try await eventually("the window is full") { written.withLock { $0 } >= window - piece.readableBytes }
            try await Task.sleep(for: .milliseconds(100))
            #expect(written.withLock { $0 } <= window)
            let buffered = pair.listener.state.withLock { $0.table.all.count }
            #expect(buffered == 1)
            opening.finish()
            try await writer.value
            try await eventually("all of it arrives") { received.withLock { $0 } == total }
        }
    }

    @Test("a reader that is cancelled returns, and the other end hears of it")
    func cancelledRead() async throws {
        try await SwarmPair.with { pair in
            let ended = Mutex<ConnectionError?>(nil)
            pair.listener.handle("/wait/1.0.0") { stream in
                do {
                    _ = try await stream.read()
                } catch let error as ConnectionError {
                    ended.withLock { $0 = error }
                }
            }
            let stream = try await pair.stream(speaking: ["/wait/1.0.0"])
            let reader = Task { try await stream.read() }
            try await Task.sleep(for: .milliseconds(20))
            reader.cancel()
            let result = await reader.result
            #expect(throws: ConnectionError.self) { try result.get() }
            await #expect(throws: ConnectionError.self) { try await stream.write(ByteBuffer(string: "x")) }
            try await eventually("the other end is told") { ended.withLock { $0?.failureClass } == .stream }
        }
    }

    @Test("a writer that waits for the window and is cancelled returns")
    func cancelledWrite() async throws {
        try await SwarmPair.with { pair in
            pair.listener.handle("/deaf/1.0.0") { _ in try await Task.sleep(for: .seconds(600)) }
            let stream = try await pair.stream(speaking: ["/deaf/1.0.0"])
            let writer = Task { try await stream.write(ByteBuffer(repeating: 0, count: 8 << 20)) }
            try await Task.sleep(for: .milliseconds(50))
            writer.cancel()
            let result = await writer.result
            #expect(throws: ConnectionError.self) { try result.get() }
        }
    }

    @Test("a task that is cancelled before it reads gets nothing, and nothing hangs")
    func cancelledBefore() async throws {
        try await SwarmPair.with { pair in
            for _ in 0..<50 {
                let call = Task {
                    let stream = try await pair.stream()
                    try await stream.write(ByteBuffer(string: "x"))
                    return try await stream.read()
                }
                if Bool.random() { await Task.yield() }
                call.cancel()
                _ = await call.result
            }
            try await eventually("no stream is left") {
                pair.listener.state.withLock { $0.servedCount == 0 }
            }
        }
    }

    @Test("one reader at a time: the second one is turned away, the first one is served")
    func oneReader() async throws {
        try await SwarmPair.with { pair in
            let stream = try await pair.stream()
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<2 { group.addTask { (try? await stream.read()) != nil } }
                #expect(try await group.next() == false)
                // Whoever was turned away lets the other one be served.
                try await stream.write(ByteBuffer(string: "x"))
                #expect(try await group.next() == true)
            }
        }
    }

    @Test("a peer that disappears in the middle fails every read and write, as a reset")
    func gone() async throws {
        try await SwarmPair.with { pair in
            let stream = try await pair.stream()
            let other = try await pair.stream()
            let reader = Task { try await stream.read() }
            try await eventually("the listener serves them") { pair.listener.state.withLock { $0.servedCount } >= 2 }
            for channel in pair.listener.state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
            do {
                _ = try await reader.value
                Issue.record("there was nothing to read")
            } catch let error as ConnectionError {
                #expect(error.failureClass == .reset)
            }
            await #expect(throws: ConnectionError.self) {
                while true { try await other.write(ByteBuffer(string: "x")) }
            }
            try await eventually("the connection is forgotten") { pair.dialer.connectionCount == 0 }
        }
    }

    @Test("a handler that throws resets its stream; one that returns has ended it")
    func handlers() async throws {
        try await SwarmPair.with { pair in
            pair.listener.handle("/throws") { _ in throw CancellationError() }
            pair.listener.handle("/returns") { stream in try await stream.write(ByteBuffer(string: "done")) }
            let failing = try await pair.stream(speaking: ["/throws"])
            await #expect(throws: ConnectionError.self) { try await failing.readAll() }
            let ending = try await pair.stream(speaking: ["/returns"])
            #expect(try await ending.readAll() == Array("done".utf8))
        }
    }

    @Test("what was sent before the end is read, also when the connection is gone by then")
    func lastWords() async throws {
        try await SwarmPair.with { pair in
            pair.listener.handle("/last") { stream in
                try await stream.write(ByteBuffer(string: "last words"))
                await stream.closeWriting()
            }
            let stream = try await pair.stream(speaking: ["/last"])
            try await eventually("it has come") {
                pair.dialer.state.withLock { $0.table.all.first != nil }
                    && pair.listener.state.withLock { $0.servedCount } == 0
            }
            // Whatever is on its way is before the end of the connection.
            for connection in pair.listener.state.withLock({ $0.table.all }) { connection.close(.cancelled) }
            try await eventually("the connection is gone") { pair.dialer.connectionCount == 0 }
            #expect(try await stream.readAll() == Array("last words".utf8))
        }
    }
}
