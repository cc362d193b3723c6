import Multiformats
import NIOCore
import Synchronization

@testable import KadLibp2p

/// One end of a stream without a wire.
final class MemoryStream: MessageStream {
    let remote: PeerID
    let remoteAddress: Multiaddr
    var endpoint: Multiaddr { remoteAddress }
    let isDialled: Bool
    private let incoming: Pipe
    private let outgoing: Pipe

    private init(remote: PeerID, address: Multiaddr, isDialled: Bool, incoming: Pipe, outgoing: Pipe) {
        self.remote = remote
        remoteAddress = address
        self.isDialled = isDialled
        self.incoming = incoming
        self.outgoing = outgoing
    }

    /// - Parameter piece: the most bytes that arrive at once.
    static func pair(
        dialer: PeerID, listener: PeerID, address: Multiaddr, piece: Int = .max
    ) -> (dialer: MemoryStream, listener: MemoryStream) {
        let there = Pipe(piece: piece)
        let back = Pipe(piece: piece)
        return (
            MemoryStream(remote: listener, address: address, isDialled: true, incoming: back, outgoing: there),
            MemoryStream(remote: dialer, address: address, isDialled: false, incoming: there, outgoing: back)
        )
    }

    /// Bytes that have come and were not read.
    var unread: Int { incoming.unread }
    var isReset: Bool { incoming.failure != nil }
    /// Whether the other end has read all that was sent, and waits for more.
    var isOtherWaiting: Bool { outgoing.isAwaited }

    func read() async throws(ConnectionError) -> ByteBuffer? { try await incoming.read { [self] in reset() } }

    func write(_ bytes: ByteBuffer) async throws(ConnectionError) { try outgoing.write(bytes) }

    func closeWriting() async { outgoing.end() }

    func reset() {
        incoming.fail(ConnectionError(.cancelled))
        outgoing.fail(ConnectionError(.muxer(.reset)))
    }

    /// The connection under it dies.
    func breakOff() {
        incoming.fail(ConnectionError(.closedByPeer))
        outgoing.fail(ConnectionError(.closedByPeer))
    }

    func send(_ bytes: [UInt8]) async throws(ConnectionError) { try await write(ByteBuffer(bytes: bytes)) }

    /// All that the other end sends until it stops or resets.
    func readAll() async -> [UInt8] {
        var bytes: [UInt8] = []
        while let next = try? await read() { bytes.append(contentsOf: next.readableBytesView) }
        return bytes
    }
}

/// One direction of it.
private final class Pipe: Sendable {
    private typealias Reader = CheckedContinuation<Result<ByteBuffer?, ConnectionError>, Never>

    private struct State {
        var bytes = ByteBuffer()
        var isEnded = false
        var failure: ConnectionError?
        var reader: Reader?

        mutating func take(_ piece: Int) -> Result<ByteBuffer?, ConnectionError>? {
            if let failure { return .failure(failure) }
            if let next = bytes.readSlice(length: min(piece, bytes.readableBytes)), next.readableBytes > 0 {
                return .success(next)
            }
            return isEnded ? .success(nil) : nil
        }
    }

    private let piece: Int
    private let state = Mutex(State())

    init(piece: Int) { self.piece = piece }

    var unread: Int { state.withLock { $0.bytes.readableBytes } }
    var failure: ConnectionError? { state.withLock(\.failure) }
    var isAwaited: Bool { state.withLock { $0.reader != nil } }

    func read(onCancel reset: @escaping @Sendable () -> Void) async throws(ConnectionError) -> ByteBuffer? {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Reader) in
                let ready: Result<ByteBuffer?, ConnectionError>? = state.withLock { state in
                    if let ready = state.take(piece) { return ready }
                    state.reader = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            reset()
        }
        return try result.get()
    }

    func write(_ bytes: ByteBuffer) throws(ConnectionError) {
        let failure = state.withLock(\.failure)
        if let failure { throw failure }
        change { $0.bytes.writeImmutableBuffer(bytes) }
    }

    func end() { change { $0.isEnded = true } }

    func fail(_ error: ConnectionError) { change { $0.failure = $0.failure ?? error } }

    private func change(_ body: (inout State) -> Void) {
        let (reader, ready) = state.withLock { state -> (Reader?, Result<ByteBuffer?, ConnectionError>?) in
            body(&state)
            guard let reader = state.reader, let ready = state.take(piece) else { return (nil, nil) }
            state.reader = nil
            return (reader, ready)
        }
        if let reader, let ready { reader.resume(returning: ready) }
    }
}
