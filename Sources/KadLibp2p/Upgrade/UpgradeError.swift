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

    /// What is held against the other end.
    var failureClass: FailureClass {
        switch self {
        case .negotiation: .negotiation
        // An algorithm that is not supported here is no fault of there.
        case .noise(.key(.unsupported)): .negotiation
        case .noise(.nonceExhausted), .noise(.library), .noise(.outOfTurn), .over: .local
        case .noise, .tooLong: .badResponse
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
