import Multiformats

/// All connections of a node: dials, listens, and hands streams out.
public final class Swarm: Sendable {
    /// Serves one protocol: called for each stream that another node opens with it. The stream is reset when it throws.
    public typealias StreamHandler = @Sendable (any MessageStream) async throws -> Void

    public init(keys: KeyPair) {}

    /// Opens a stream to a peer, over the connection that there is or a new one.
    ///
    /// - Parameter addresses: tried in their order, the first that works is taken.
    public func stream(
        to peer: PeerID, at addresses: [Multiaddr], speaking protocols: [String]
    ) async throws(ConnectionError) -> any MessageStream { throw ConnectionError(.shutDown) }
}
