import KadStore
import Multiformats

/// One record of a file that was not taken, and why. The rest of the file was.
public struct Rejection: Hashable, Sendable {
    public let place: Place
    public let reason: RejectionReason
    /// The beginning of the record, fit to be shown; nil where showing it would tell nothing.
    public let excerpt: String?
    /// The record as it stands in the file, its first ``byteLimit`` bytes; nil where it is not at hand. Given to
    /// ``ImportOptions/onRejection`` alone: reports do not keep it.
    public internal(set) var bytes: [UInt8]?

    /// Enough to repair a record of any honest length.
    public static let byteLimit = 64 << 10

    init(place: Place, reason: RejectionReason, excerpt: String? = nil) {
        self.place = place
        self.reason = reason
        self.excerpt = excerpt
    }

    init(place: Place, reason: RejectionReason, text: UnsafeBufferPointer<UInt8>) {
        self.init(place: place, reason: reason, excerpt: text.isEmpty ? nil : Printable.text(text))
        if !text.isEmpty { bytes = Array(text.prefix(Self.byteLimit)) }
    }
}

/// Where in a file something stands.
public enum Place: Hashable, Sendable, CustomStringConvertible {
    /// A line of text, from 1.
    case line(Int)
    /// A byte of a binary file, or of a document that is one long line, from 0.
    case offset(Int64)
    /// A row of those that are read of a database, from 1.
    case row(Int)

    public var description: String {
        switch self {
        case .line(let number): "line \(number)"
        case .offset(let offset): "byte \(offset)"
        case .row(let number): "row \(number)"
        }
    }
}

/// What ended the reading of a file before its end. Everything before it was taken.
public struct ImportFault: Hashable, Sendable, CustomStringConvertible {
    public let place: Place
    public let reason: RejectionReason

    public var description: String { "\(place): \(reason)" }
}

/// What is wrong with a record.
public enum RejectionReason: Error, Hashable, Sendable {
    /// Bytes over the limit of a line or record.
    case tooLong(limit: Int)
    case notUTF8
    case json(JSONProblem, offset: Int)
    case bencode(BencodeProblem)
    case messagePack(MessagePackProblem)
    /// A quoted field without an end.
    case unclosedQuote
    /// A record that lacks this.
    case missing(String)
    /// A field that holds something else than it should; the second text says what it should hold.
    case wrongType(String, expected: String)
    case peerID(PeerIDError)
    case address(MultiaddrError)
    /// The Ethereum node record of a node.
    case nodeRecord(NodeRecordError)
    /// Bytes that are no Protocol Buffers message.
    case protobuf
    /// A line of an address list that is none.
    case notAnAddress
    /// The id does not belong to the store's network; the text says why.
    case foreignID(String)
    /// The hash that the file gives is not the id's.
    case wrongKey
    /// An address ends in the id of another peer.
    case otherPeer
    /// A relayed address that names no peer behind the relay.
    case relayWithoutPeer
    /// None of the addresses can be used in the store's scope.
    case unroutable
    /// Two fields that cannot both be true; the text names them.
    case contradiction(String)
    /// The record of another network, by name.
    case otherNetwork(String)
    /// Bytes that are no endpoint: neither 6 nor 18 of them.
    case endpointLength(Int)
    /// A record of a kind that is not known.
    case unknownRecord
    /// The end of a file says something else than the file itself; the text says what.
    case checksum(String)
    /// The file ends without the record that closes it.
    case noFooter
    /// Something follows the end.
    case behindEnd
    /// The system could not read on; the code is `errno`'s.
    case unreadable(Int32)
    /// SQLite could not read on.
    case database(SQLiteError)
}

extension RejectionReason {
    /// What rejections are counted by.
    public enum Kind: String, Hashable, Sendable, CaseIterable, Comparable {
        case oversized, encoding, syntax, missing, type, address, hash, mismatch, unroutable
        case contradiction, network, unknown, integrity, unreadable
        case peerID = "peer-id"

        public static func < (left: Kind, right: Kind) -> Bool { left.rawValue < right.rawValue }
    }

    public var kind: Kind {
        switch self {
        case .tooLong: .oversized
        case .notUTF8: .encoding
        case .json, .bencode, .messagePack, .unclosedQuote, .nodeRecord, .protobuf: .syntax
        case .missing: .missing
        case .wrongType: .type
        case .peerID, .foreignID: .peerID
        case .address, .notAnAddress, .endpointLength: .address
        case .wrongKey: .hash
        case .otherPeer, .relayWithoutPeer: .mismatch
        case .unroutable: .unroutable
        case .contradiction: .contradiction
        case .otherNetwork: .network
        case .unknownRecord: .unknown
        case .checksum, .noFooter, .behindEnd: .integrity
        case .unreadable, .database: .unreadable
        }
    }
}

extension RejectionReason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tooLong(let limit): "longer than \(limit) bytes"
        case .notUTF8: "not UTF-8"
        case .json(let problem, let offset): "not JSON: \(problem) (column \(offset + 1))"
        case .bencode(let problem): "not bencode: \(problem)"
        case .messagePack(let problem): "not MessagePack: \(problem)"
        case .unclosedQuote: "a quoted field has no end"
        case .missing(let name): "'\(Printable.text(name))' is missing"
        case .wrongType(let name, let expected): "'\(Printable.text(name))' is not \(expected)"
        case .peerID(let error): "\(error)"
        case .address(let error): "\(error)"
        case .nodeRecord(let error): "not a node record: \(error)"
        case .protobuf: "not a Protocol Buffers message of addresses"
        case .notAnAddress: "not an address: it does not start with /"
        case .foreignID(let reason): reason
        case .wrongKey: "the key that is given is not the hash of the id"
        case .otherPeer: "an address ends in the id of another peer"
        case .relayWithoutPeer: "a relayed address that names no peer"
        case .unroutable: "none of its addresses can be used in a store of this scope"
        case .contradiction(let text): text
        case .otherNetwork(let name): "a record of network '\(Printable.text(name))'"
        case .endpointLength(let count): "\(count) bytes are no endpoint (6 or 18 are)"
        case .unknownRecord: "a record of an unknown kind"
        case .checksum(let text): text
        case .noFooter: "the file ends without its closing line: it was cut off"
        case .behindEnd: "something follows the closing line"
        case .unreadable(let code): "reading failed: \(ExchangeError.text(ofSystemError: code))"
        case .database(let error): "the database cannot be read: \(Printable.text(error.message, limit: 200))"
        }
    }
}
