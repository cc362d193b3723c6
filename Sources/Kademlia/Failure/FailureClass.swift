/// Why a dial, a handshake or a request failed. Mapped from typed errors (errno, protocol errors), never from the text
/// of a message.
///
/// Raw values are stored in files: they are never reused.
public enum FailureClass: UInt8, Hashable, Sendable, CaseIterable {
    /// No answer before the deadline.
    case timeout = 1
    /// The host answered that nothing listens there.
    case refused = 2
    /// The connection broke while it was in use.
    case reset = 3
    /// No route to the host.
    case unreachable = 4
    /// Connected, but security, multiplexing or the protocol could not be agreed on.
    case negotiation = 5
    /// An answer that breaks the protocol's rules.
    case badResponse = 6
    /// Somebody else answered under this address: the fault of the address and of who gossiped it, never of the peer.
    case identityMismatch = 7
    /// One stream failed, the connection lives.
    case stream = 8
    /// The peer said that it is busy: proof that it lives.
    case busy = 9
    /// We gave up ourselves.
    case cancelled = 10
    /// Our own machine or uplink: no descriptors, no buffers, network down.
    case local = 11

    /// The name in files and on the command line.
    public var name: String {
        switch self {
        case .timeout: "timeout"
        case .refused: "refused"
        case .reset: "reset"
        case .unreachable: "unreachable"
        case .negotiation: "negotiation"
        case .badResponse: "bad-response"
        case .identityMismatch: "identity-mismatch"
        case .stream: "stream"
        case .busy: "busy"
        case .cancelled: "cancelled"
        case .local: "local"
        }
    }

    /// Whether it speaks against the peer. A wrong identity is the fault of the address, a busy peer lives, and what we
    /// cancelled or could not do ourselves says nothing.
    public var countsAgainstPeer: Bool {
        switch self {
        case .timeout, .refused, .reset, .unreachable, .negotiation, .badResponse, .stream: true
        case .identityMismatch, .busy, .cancelled, .local: false
        }
    }

    /// Whether it is a fault of conduct rather than of reach: a success does not make up for it.
    ///
    /// It also comes with an answer, so it proves that the link was up.
    public var isMisbehaviour: Bool { self == .badResponse || self == .identityMismatch }

    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}
