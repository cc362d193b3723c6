import Kademlia
import Multiformats

/// Why a dial, a connection or a stream failed: ``failureClass`` and ``address`` are what to act upon, the description is for
/// people.
public struct ConnectionError: Error, Hashable, Sendable {
    enum Reason: Hashable, Sendable {
        /// Nothing came in time.
        case timedOut
        /// What the operating system said: an `errno`.
        case system(Int32)
        /// The other end closed the connection.
        case closedByPeer
        /// A name has no address: a code of `getaddrinfo`.
        case unresolved(Int32)
        /// An address that this transport does not dial, or of a family that this machine has no route for.
        case unsupportedAddress
        /// There was no address to dial.
        case noAddress
        /// The address is this node's own, or the other end proved to be this node.
        case ourselves
        /// Somebody else than the one who was dialled.
        case wrongIdentity(PeerID)
        /// No secured and multiplexed connection could be agreed on.
        case upgrade(UpgradeError)
        /// What came over a secured connection is not what the other end has sealed.
        case tampered(UpgradeError)
        /// The multiplexer, or one of its streams, failed.
        case muxer(YamuxError)
        /// No protocol was agreed on for a stream.
        case negotiation(MultistreamError)
        /// What came over a stream breaks the rules of its protocol.
        case malformed
        /// Our own task was cancelled, or the stream was reset from this side.
        case cancelled
        /// A limit of this node's own: there are too many connections or streams.
        case limit
        /// A second reader or writer of one stream.
        case inUse
        /// This node's network has been shut down.
        case shutDown
    }

    let reason: Reason
    /// Where, when one address is to blame; nil when all were tried, or none.
    public var address: Multiaddr?

    init(_ reason: Reason, at address: Multiaddr? = nil) {
        self.reason = reason
        self.address = address
    }
}

extension ConnectionError {
    init(upgrade error: UpgradeError) {
        switch error {
        case .wrongIdentity(let found): self.init(.wrongIdentity(found))
        default: self.init(.upgrade(error))
        }
    }

    init(muxer error: YamuxError) { self.init(.muxer(error)) }

    /// What the failure memory makes of it.
    public var failureClass: FailureClass {
        switch reason {
        case .timedOut: .timeout
        case .system(let code): SystemFailure.failureClass(errno: code)
        case .closedByPeer: .reset
        case .unresolved(let code): SystemFailure.failureClass(resolving: code)
        case .wrongIdentity: .identityMismatch
        case .upgrade(let error): error.failureClass
        // Whoever is on the way can do that to any connection, and so can a write that the other end broke off halfway.
        case .tampered(let error): error.failureClass == .local ? .local : .reset
        case .muxer(let error): error.failureClass
        case .negotiation: .negotiation
        case .malformed: .badResponse
        case .limit: .local
        // Nobody's fault. `local` would slow the whole node down.
        case .unsupportedAddress, .noAddress, .ourselves, .cancelled, .inUse, .shutDown: .cancelled
        }
    }

    /// How far it reaches; nil where it says nothing of the other end.
    public var scope: FailureScope? {
        if case .muxer(let error) = reason, failureClass.scope != nil { return error.scope }
        return failureClass.scope
    }

    /// The failure at one of several addresses that tells most about the peer.
    ///
    /// Somebody else at an address is told first: it takes the address out of use. Then what speaks against the peer, and
    /// against the peer as a whole (without an address) only where every address did. What was our own fault or nobody's is
    /// told when there is nothing else.
    static func mostTelling(of failures: [ConnectionError]) -> ConnectionError {
        if let mismatch = failures.first(where: { $0.failureClass == .identityMismatch }) { return mismatch }
        let counted = failures.filter { $0.failureClass.countsAgainstPeer }
        guard let last = counted.last else {
            return failures.first { $0.failureClass == .local } ?? failures.last ?? ConnectionError(.noAddress)
        }
        guard counted.count > 1, counted.count == failures.count else { return last }
        return ConnectionError(last.reason)
    }
}

extension ConnectionError: CustomStringConvertible {
    public var description: String {
        guard let address else { return "\(reason)" }
        return "\(address): \(reason)"
    }
}

extension ConnectionError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .timedOut: "nothing came in time"
        case .system(let code): SystemFailure.text(errno: code)
        case .closedByPeer: "the other end closed the connection"
        case .unresolved(let code): "the name has no address (\(SystemFailure.text(resolving: code)))"
        case .unsupportedAddress: "not an address that this node dials"
        case .noAddress: "there is no address to dial"
        case .ourselves: "that is this node itself"
        case .wrongIdentity(let found): "another peer answers there: \(PeerIDEncoding.libp2p.encode(found))"
        case .upgrade(let error): "no secured connection: \(error)"
        case .tampered(let error): "the secured connection broke: \(error)"
        case .muxer(let error): "the multiplexer: \(error)"
        case .negotiation(let error): "no protocol was agreed on: \(error)"
        case .malformed: "what the other end sent breaks the protocol's rules"
        case .cancelled: "cancelled"
        case .limit: "too many connections or streams"
        case .inUse: "the stream is being read or written by somebody else"
        case .shutDown: "the network has been shut down"
        }
    }
}
