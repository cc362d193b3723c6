/// Why no protocol was agreed on.
enum MultistreamError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A length over the limit, in bytes: most often somebody who speaks another protocol.
    case lineTooLong(limit: Int)
    /// A line without its newline, or with a length of zero or not in its shortest form.
    case malformedLine
    /// The other end opened with something else than the header of multistream-select 1.0.0. Texts are as
    /// ``MultistreamLine/printable(_:)`` makes them.
    case header(String)
    /// None of what the dialer proposed is spoken by the listener.
    case noneAccepted
    /// The listener answered neither yes nor no.
    case unexpected(String)
    /// The dialer proposed one thing after the other.
    case tooManyProposals(limit: Int)

    var description: String {
        switch self {
        case .lineTooLong(let limit): "a line of multistream-select is over \(limit) bytes"
        case .malformedLine: "a line of multistream-select is malformed"
        case .header(let text): "'\(text)' came in place of the header of multistream-select"
        case .noneAccepted: "none of the proposed protocols is spoken at the other end"
        case .unexpected(let text): "'\(text)' came in answer to the proposal of a protocol"
        case .tooManyProposals(let limit): "over \(limit) protocols were proposed"
        }
    }
}
