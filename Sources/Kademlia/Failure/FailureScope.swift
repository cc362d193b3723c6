/// How far a failure reaches: what else is worth trying with the same peer.
public enum FailureScope: String, Hashable, Sendable, CaseIterable {
    /// One stream, and the request on it. The connection lives: another stream may work at once.
    case stream
    /// One connection, or one address. Another connection may work.
    case connection
    /// The peer itself: whatever it is asked, and wherever.
    case peer
}

extension FailureClass {
    /// How far a failure of this class reaches; nil where it is our own and says nothing of the other end.
    ///
    /// Narrow failures pass quickly, and the waits follow (``FailurePolicy``): a stream costs a second at first, a
    /// connection from a quarter of a minute to half an hour, a peer that answers wrongly an hour.
    public var scope: FailureScope? {
        switch self {
        // Busy is one request turned down, and proof of life.
        case .stream, .busy: .stream
        // Somebody else, or other software, at an address says nothing of what is at the peer's other addresses.
        case .timeout, .refused, .reset, .unreachable, .negotiation, .identityMismatch: .connection
        case .badResponse: .peer
        case .cancelled, .local: nil
        }
    }
}
