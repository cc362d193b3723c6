import Multiformats
import NIOCore

/// One stream of a connection, on which a protocol has been agreed.
///
/// Cancelling the task that waits in ``read()`` or ``write(_:)`` resets the stream; the wait ends at once.
public protocol MessageStream: Sendable {
    var remote: PeerID { get }
    /// Where the other end is.
    var remoteAddress: Multiaddr { get }
    /// The socket's other end: where the bytes come from, whatever name was dialled, and whoever dialled.
    var endpoint: Multiaddr { get }
    /// Whether this node dialled the connection. Only then ``remoteAddress`` is where the other end can be reached.
    var isDialled: Bool { get }
    /// One reader at a time.
    ///
    /// - Returns: some bytes, at least one; nil when the other end will send no more.
    func read() async throws(ConnectionError) -> ByteBuffer?
    /// Waits until the bytes are on their way: the other end's window and this connection's buffers set the pace. One writer
    /// at a time.
    func write(_ bytes: ByteBuffer) async throws(ConnectionError)
    /// Says that no more will be sent.
    func closeWriting() async
    /// Ends it at once, in both directions. Harmless on one that has ended.
    func reset()
}
