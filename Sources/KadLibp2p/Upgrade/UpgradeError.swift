import Kademlia
import Multiformats

/// Why a connection was not secured and multiplexed, or is not any more.
enum UpgradeError: Error, Hashable, Sendable, CustomStringConvertible {
    enum Subject: Hashable, Sendable { case security, multiplexing }

    /// No protocol was agreed on.
    case negotiation(of: Subject, MultistreamError)
    case noise(NoiseError)
    /// Somebody else than the one who was dialled.
    case wrongIdentity(PeerID)
    /// The other end sent so many bytes and nothing was agreed on yet.
    case tooLong(limit: Int)
    /// The upgrade has ended, well or not.
    case over

    /// What is held against the other end while nothing is agreed on. Until a handshake is done nobody has proved to be the peer:
    /// whatever breaks its rules may be other software at that address, or somebody who was said to be the peer. So it speaks
    /// against the address; against the peer as a timeout does, where the address had proved to be its own, or no other is left.
    var failureClass: FailureClass {
        switch self {
        case .noise(.nonceExhausted), .noise(.library), .noise(.outOfTurn), .over: .local
        case .negotiation, .noise, .tooLong: .negotiation
        case .wrongIdentity: .identityMismatch
        }
    }

    var description: String {
        switch self {
        case .negotiation(.security, let error): "no security protocol was agreed on: \(error)"
        case .negotiation(.multiplexing, let error): "no multiplexer was agreed on: \(error)"
        case .noise(let error): error.description
        case .wrongIdentity(let found): "\(PeerIDEncoding.libp2p.encode(found)) answered in place of the peer dialled"
        case .tooLong(let limit): "over \(limit) bytes came before the connection was agreed on"
        case .over: "the upgrade of the connection has ended"
        }
    }
}
