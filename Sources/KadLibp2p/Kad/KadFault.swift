import KadNode
import Kademlia

/// Why an exchange on a stream of `/ipfs/kad/1.0.0` failed.
enum KadFault: Error, Hashable, Sendable {
    /// The stream, or what carries it, failed.
    case connection(ConnectionError)
    /// The stream ended where a message was owed, or within one.
    case ended
    /// A message's length is over the limit. Its body is not read.
    case tooLong(stated: UInt64, limit: Int)
    /// A length is no varint.
    case malformedLength
    /// The bytes are no message.
    case malformed
    /// Not the kind of message that was asked for, or one that nobody knows.
    case wrongKind
    /// A key that is missing, too long, or none that the request may have.
    case badKey
    /// A value that is missing or too long, or stands under another key.
    case badValue
    /// A signed record of the sender that is not the sender's, or does not verify.
    case badSenderRecord
    /// A message that is on its way would take more memory than there is for it.
    case noRoom
    /// Our node does not answer it.
    case refused(Refusal)

    /// What the failure memory makes of it. What was sent, and is wrong, is the peer's fault.
    var failureClass: FailureClass {
        switch self {
        case .connection(let error): error.failureClass
        case .ended: .stream
        case .tooLong, .malformedLength, .malformed, .wrongKind, .badKey, .badValue, .badSenderRecord: .badResponse
        // Only who serves meets them.
        case .noRoom, .refused: .local
        }
    }
}

extension KadFault: CustomStringConvertible {
    var description: String {
        switch self {
        case .connection(let error): "\(error)"
        case .ended: "the stream ended before the message did"
        case .tooLong(let stated, let limit): "a message of \(stated) bytes is over the limit of \(limit)"
        case .malformedLength: "the length of a message is no varint"
        case .malformed: "a message is malformed"
        case .wrongKind: "a message is of another kind than was asked for"
        case .badKey: "a message has a key that it may not have"
        case .badValue: "a message has a value that it may not have"
        case .badSenderRecord: "the sender's signed record is not the sender's, or does not verify"
        case .noRoom: "no room for a message that is on its way"
        case .refused(let refusal): "refused (\(refusal))"
        }
    }
}
