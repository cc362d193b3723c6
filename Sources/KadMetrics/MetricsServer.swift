import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A small HTTP server for `/metrics` and `/healthz`.
///
/// Nobody is waited for: a connection takes one request, and is cut off when request and answer together have taken longer
/// than ``Limits/seconds``. Beyond ``Limits/connections`` at once, the next one is closed.
public final class MetricsServer: Sendable {
    public struct Limits: Hashable, Sendable {
        public var connections = 32
        /// From accepting a connection to its end.
        public var seconds: Int64 = 10
        /// Bytes of a request before its end.
        public var requestBytes = 16_384

        public init() {}
    }

    /// Why a server does not listen.
    public enum ListenError: Error, Hashable, Sendable, CustomStringConvertible {
        /// What the operating system said: an `errno`.
        case system(Int32)
        /// No address of this machine has the name.
        case unknownHost(String)
        /// The event loops have ended.
        case shutDown

        init(_ error: any Error, host: String) {
            switch error {
            case let error as ListenError: self = error
            case let error as IOError: self = .system(error.errnoCode)
            case is EventLoopError, is ChannelError: self = .shutDown
            default: self = .unknownHost(host)
            }
        }

        public var description: String {
            switch self {
            case .system(let code): String(cString: strerror(code))
            case .unknownHost(let host): "'\(host)' is no address of this machine"
            case .shutDown: "it is being shut down"
            }
        }
    }

    /// Where it listens: the port is the one that the system chose where 0 was asked for.
    public let address: SocketAddress
    /// Where the metrics are: `http://127.0.0.1:9464/metrics`.
    public var url: String {
        let host = address.ipAddress ?? ""
        return "http://\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)/metrics"
    }

    private let channel: any Channel

    private init(channel: any Channel, address: SocketAddress) {
        self.channel = channel
        self.address = address
    }

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - host: an IP address, or a name of this machine.
    ///   - isHealthy: what `/healthz` says: 200 `ok`, or 503 `stopping`.
    /// - Throws: ``ListenError`` when the address cannot be had.
    public static func listen(
        host: String, port: Int, registry: PrometheusRegistry, limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        isHealthy: @escaping @Sendable () -> Bool = { true }
    ) async throws(ListenError) -> MetricsServer {
        let channel: any Channel
        do {
            channel = try await bootstrap(registry, limits, group, isHealthy).bind(host: host, port: port).get()
        } catch {
            throw ListenError(error, host: host)
        }
        guard let address = channel.localAddress else {
            channel.close(promise: nil)
            throw .shutDown
        }
        return MetricsServer(channel: channel, address: address)
    }

    private static func bootstrap(
        _ registry: PrometheusRegistry, _ limits: Limits, _ group: any EventLoopGroup,
        _ isHealthy: @escaping @Sendable () -> Bool
    ) -> ServerBootstrap {
        let connections = Connections(limit: limits.connections)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Where no descriptor is left, a connection waits for a second instead of being tried for ever.
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptBackoffHandler(shouldForwardIOErrorCaught: false))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connections.enter() else { throw ChannelError.ioOnClosedChannel }
                    channel.closeFuture.whenComplete { _ in connections.leave() }
                    try channel.pipeline.syncOperations.addHandler(RequestLimit(bytes: limits.requestBytes))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(
                        MetricsHandler(registry: registry, limits: limits, isHealthy: isHealthy))
                }
            }
    }

    /// Stops listening. Answers under way end by themselves, or by their limit.
    public func close() async { try? await channel.close() }
}

/// How many connections are open.
private final class Connections: Sendable {
    private let open = Mutex(0)
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func enter() -> Bool {
        open.withLock { open in
            guard open < limit else { return false }
            open += 1
            return true
        }
    }

    func leave() { open.withLock { $0 -= 1 } }
}

/// Closes a connection whose request is longer than any that asks for something here: the parser would keep it all.
private final class RequestLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var left: Int

    init(bytes: Int) { left = bytes }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        left -= unwrapInboundIn(data).readableBytes
        guard left >= 0 else {
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(data)
    }
}

/// Answers one request, and closes.
private final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let registry: PrometheusRegistry
    private let limits: MetricsServer.Limits
    private let isHealthy: @Sendable () -> Bool
    private var deadline: Scheduled<Void>?
    private var request: HTTPRequestHead?
    private var isAnswered = false

    init(registry: PrometheusRegistry, limits: MetricsServer.Limits, isHealthy: @escaping @Sendable () -> Bool) {
        self.registry = registry
        self.limits = limits
        self.isHealthy = isHealthy
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: .seconds(limits.seconds)) { channel.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): if request == nil { request = head }
        // What it may carry is of no interest; how much of it there may be is limited.
        case .body: break
        case .end:
            // Requests that follow in one go would each be an answer in memory.
            guard let request, !isAnswered else { return }
            isAnswered = true
            answer(request, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let path = request.uri.prefix { $0 != "?" }
        guard request.method == .GET || request.method == .HEAD else {
            return send(.methodNotAllowed, "GET or HEAD\n", to: request, context)
        }
        switch path {
        case "/metrics": send(.ok, registry.text, PrometheusRegistry.contentType, to: request, context)
        case "/healthz":
            let isHealthy = isHealthy()
            send(isHealthy ? .ok : .serviceUnavailable, isHealthy ? "ok\n" : "stopping\n", to: request, context)
        default: send(.notFound, "/metrics or /healthz\n", to: request, context)
        }
    }

    private func send(
        _ status: HTTPResponseStatus, _ text: String, _ type: String = "text/plain; charset=utf-8",
        to request: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        let body = context.channel.allocator.buffer(string: text)
        var headers: HTTPHeaders = [
            "Content-Type": type, "Content-Length": "\(body.readableBytes)", "Connection": "close",
            "Cache-Control": "no-store",
        ]
        if status == .methodNotAllowed { headers.add(name: "Allow", value: "GET, HEAD") }
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        if request.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}
