/// Why text or bytes are no multiaddr, and where.
public struct MultiaddrError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        case empty
        /// Bytes of text or of binary over the limit.
        case tooLong(count: Int, maximum: Int)
        case tooManyComponents(maximum: Int)
        /// Text that does not start with `/`.
        case missingSlash
        /// A name that is not in the table; printable, and cut to 32 bytes.
        case unknownName(String)
        /// A code that is not in the table.
        case unknownCode(UInt64)
        case varint(VarintError)
        /// The address ends where the protocol's value should stand.
        case missingValue(MultiaddrProtocol)
        /// The protocol's value has `declared` bytes, of which `available` are there.
        case truncated(MultiaddrProtocol, declared: UInt64, available: Int)
        /// Something follows a path, which always runs to the end.
        case behindPath
        case notAnIPAddress(MultiaddrProtocol)
        /// Not a decimal number up to `maximum`.
        case notANumber(MultiaddrProtocol, maximum: UInt64)
        /// An onion address without port, or with port zero.
        case missingPort(MultiaddrProtocol)
        /// A host or value of an impossible length in bytes.
        case wrongLength(MultiaddrProtocol, count: Int)
        /// A name or path that is empty, not UTF-8, or has characters that cannot stand in it.
        case badText(MultiaddrProtocol)
        case digits(MultiaddrProtocol, BaseError)
        /// A hash without a known multibase prefix.
        case unknownMultibase(MultiaddrProtocol)
        case multihash(MultiaddrProtocol, MultihashError)
        case peerID(PeerIDError)
    }

    public let reason: Reason

    /// The byte of the text or binary form at which the refused part starts.
    public let offset: Int

    /// The index of the component that was refused.
    public let component: Int

    public var description: String {
        "not a multiaddr: \(reason) (component \(component + 1), byte \(offset))"
    }
}

extension MultiaddrError.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty: "it is empty"
        case .tooLong(let count, let maximum): "\(count) bytes are over the limit of \(maximum)"
        case .tooManyComponents(let maximum): "it has more than \(maximum) components"
        case .missingSlash: "it does not start with /"
        case .unknownName(let name): "unknown protocol \"\(name)\""
        case .unknownCode(let code): "unknown protocol code \(code)"
        case .varint(let error): "\(error)"
        case .missingValue(let name): "/\(name.name) lacks its value"
        case .truncated(let name, let declared, let available):
            "/\(name.name) has a value of \(declared) bytes, only \(available) are there"
        case .behindPath: "something follows a path"
        case .notAnIPAddress(let name): "the value of /\(name.name) is no such address"
        case .notANumber(let name, let maximum): "the value of /\(name.name) is no number up to \(maximum)"
        case .missingPort(let name): "the value of /\(name.name) has no port from 1 to 65535"
        case .wrongLength(let name, let count): "the value of /\(name.name) cannot have \(count) bytes"
        case .badText(let name): "the value of /\(name.name) is empty or has characters that cannot stand in it"
        case .digits(let name, let error): "the value of /\(name.name) is invalid: \(error)"
        case .unknownMultibase(let name): "the value of /\(name.name) has no known multibase prefix"
        case .multihash(let name, let error): "the value of /\(name.name) is no multihash: \(error)"
        case .peerID(let error): "\(error)"
        }
    }
}
