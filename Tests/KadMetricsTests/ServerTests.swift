import CoreMetrics
import KadMetrics
import NIOCore
import NIOPosix
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension MetricsServer.Limits {
    /// Of clients that a busy machine lets wait.
    fileprivate static var patient: Self {
        var limits = Self()
        limits.seconds = 600
        return limits
    }
}

@Suite("The metrics server")
struct ServerTests {
    /// Sends bytes, and returns all that comes until the other end closes.
    private func exchange(_ address: SocketAddress, _ request: String) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(to: address) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var answer = ByteBuffer()
            do {
                try await outbound.write(ByteBuffer(string: request))
                for try await part in inbound { answer.writeImmutableBuffer(part) }
            } catch {
                // Closed while we were still sending.
                guard error is IOError || error is ChannelError else { throw error }
            }
            return String(buffer: answer)
        }
    }

    private func listen(
        _ registry: PrometheusRegistry = PrometheusRegistry(), limits: MetricsServer.Limits = .patient,
        isHealthy: @escaping @Sendable () -> Bool = { true }
    ) async throws -> MetricsServer {
        try await MetricsServer.listen(
            host: "127.0.0.1", port: 0, registry: registry, limits: limits, isHealthy: isHealthy)
    }

    @Test("shows the metrics of this moment, and whether all is well")
    func serves() async throws {
        let registry = PrometheusRegistry()
        let isHealthy = Mutex(true)
        let server = try await listen(registry) { isHealthy.withLock { $0 } }
        let counter = Counter(label: "calls", factory: registry)
        for round in 1...3 {
            counter.increment(by: 2)
            let answer = try await exchange(server.address, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
            try #require(parts.count == 2, "\(answer)")
            #expect(parts[0].hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(parts[0].contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
            #expect(parts[0].contains("Content-Length: \(parts[1].utf8.count)\r\n"))
            #expect(try Exposition(String(parts[1])).samples["calls_total"] == Double(2 * round))
        }
        #expect(try await exchange(server.address, "GET /healthz HTTP/1.0\r\n\r\n").hasSuffix("\r\n\r\nok\n"))
        isHealthy.withLock { $0 = false }
        #expect(try await exchange(server.address, "GET /healthz HTTP/1.0\r\n\r\n").hasPrefix("HTTP/1.1 503 "))
        let head = try await exchange(server.address, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 200 ") && head.hasSuffix("\r\n\r\n"))
        await server.close()
    }

    @Test("says where its metrics are, and in the system's words why it cannot listen")
    func places() async throws {
        let server = try await listen()
        let port = try #require(server.address.port)
        #expect(server.url == "http://127.0.0.1:\(port)/metrics")
        await #expect(throws: MetricsServer.ListenError.system(EADDRINUSE)) {
            try await MetricsServer.listen(host: "127.0.0.1", port: port, registry: PrometheusRegistry())
        }
        await #expect(throws: MetricsServer.ListenError.unknownHost("no.such.host.invalid")) {
            try await MetricsServer.listen(host: "no.such.host.invalid", port: 0, registry: PrometheusRegistry())
        }
        #expect(!"\(MetricsServer.ListenError.system(EADDRINUSE))".contains("errno"))
        await server.close()
        // Machines without IPv6 have no such address.
        guard
            let other = try? await MetricsServer.listen(host: "::1", port: 0, registry: PrometheusRegistry())
        else { return }
        #expect(other.url == "http://[::1]:\(try #require(other.address.port))/metrics")
        await other.close()
    }

    @Test(
        "refuses what is not asked for here",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "),
            ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 405 "),
            ("rubbish\r\n\r\n", ""),
        ])
    func refuses(request: String, answer: String) async throws {
        let server = try await listen()
        let got = try await exchange(server.address, request)
        #expect(answer.isEmpty ? !got.contains(" 200 ") : got.hasPrefix(answer), "\(got)")
        await server.close()
    }

    @Test("answers one request of a connection, however many come in one go")
    func once() async throws {
        let server = try await listen()
        let requests = String(repeating: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", count: 200)
        let answer = try await exchange(server.address, requests)
        #expect(answer.split(separator: "HTTP/1.1 200", omittingEmptySubsequences: false).count == 2)
        await server.close()
    }

    @Test("names its address as Prometheus takes it, IPv6 in brackets", arguments: ["127.0.0.1", "::1"])
    func url(host: String) async throws {
        guard let server = try? await MetricsServer.listen(host: host, port: 0, registry: PrometheusRegistry()) else {
            // A system without IPv6.
            try #require(host == "::1")
            return
        }
        let port = try #require(server.address.port)
        #expect(server.url == (host == "::1" ? "http://[::1]:\(port)/metrics" : "http://127.0.0.1:\(port)/metrics"))
        await server.close()
    }

    @Test("cuts off a request that never ends, and one that is too long")
    func bounded() async throws {
        var limits = MetricsServer.Limits()
        limits.seconds = 1
        let server = try await listen(limits: limits)
        #expect(try await exchange(server.address, "GET /metrics HTTP/1.1\r\nHost: ") == "")
        let long = "GET /metrics HTTP/1.1\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n"
        #expect(try await !exchange(server.address, long).contains(" 200 "))
        await server.close()
    }

    @Test("closes connections beyond its limit at once, and takes others when these have gone")
    func crowded() async throws {
        var limits = MetricsServer.Limits.patient
        limits.connections = 2
        let server = try await listen(limits: limits)
        var channels: [any Channel] = []
        for _ in 0..<5 {
            channels.append(
                try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(to: server.address).get())
        }
        // Which of them came first is the system's to say.
        while channels.filter(\.isActive).count > 2 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(channels.filter(\.isActive).count == 2)
        for channel in channels where channel.isActive { try await channel.close() }
        var answer = ""
        while answer.isEmpty {
            answer = (try? await exchange(server.address, "GET /healthz HTTP/1.0\r\n\r\n")) ?? ""
        }
        #expect(answer.hasSuffix("ok\n"))
        await server.close()
    }
}
