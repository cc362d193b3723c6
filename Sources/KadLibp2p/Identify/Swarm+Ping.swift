import Multiformats
import NIOCore

/// `/ipfs/ping/1.0.0`: 32 random bytes, which come back.
extension Swarm {
    static let pingProtocol = "/ipfs/ping/1.0.0"
    static let pingBytes = 32
    /// The most pings that are answered on one stream, and how long one may be waited for: others keep a stream open and
    /// ping now and then.
    private static let pingsPerStream = 1_000
    private static let pingPause: Duration = .seconds(60)

    func servePing() {
        handleInternally(Self.pingProtocol) { stream in
            var pending = ByteBuffer()
            var deadline = stream.expire(in: Self.pingPause)
            defer { deadline.cancel() }
            var count = 0
            while var next = try await stream.read() {
                pending.writeBuffer(&next)
                while count < Self.pingsPerStream, let ping = pending.readSlice(length: Self.pingBytes) {
                    count += 1
                    try await stream.write(ping)
                    deadline.cancel()
                    deadline = stream.expire(in: Self.pingPause)
                }
                guard count < Self.pingsPerStream else { return }
            }
        }
    }

    /// Asks a peer for a sign of life, over the connection that there is or a new one.
    ///
    /// - Parameter limit: how long the answer may take.
    /// - Returns: how long it took, from the agreement on the protocol on.
    /// - Throws: ``ConnectionError``: `badResponse` when something else came back, `timeout` when nothing did.
    public func ping(
        _ peer: PeerID, at addresses: [Multiaddr], within limit: Duration = .seconds(10)
    ) async throws(ConnectionError) -> Duration {
        let stream = try await connectionStream(to: peer, at: addresses, speaking: [Self.pingProtocol])
        let deadline = stream.expire(in: limit)
        defer { deadline.cancel() }
        var generator = SystemRandomNumberGenerator()
        let question = (0..<Self.pingBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        let start = ContinuousClock.now
        try await stream.write(ByteBuffer(bytes: question))
        var answer: [UInt8] = []
        while answer.count < Self.pingBytes, let next = try await stream.read() {
            answer.append(contentsOf: next.readableBytesView)
        }
        let time = ContinuousClock.now - start
        guard answer == question else {
            stream.reset()
            throw ConnectionError(answer.count < Self.pingBytes ? .muxer(.reset) : .malformed)
        }
        await stream.closeWriting()
        return time
    }
}
