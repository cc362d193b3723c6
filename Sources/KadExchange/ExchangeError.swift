import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why a file cannot be read, imported, written or converted as a whole. What is wrong with one record of it is a
/// ``Rejection``, what ends it early a ``ImportFault``.
public enum ExchangeError: Error, Hashable, Sendable {
    /// No format fits the beginning of the file. `clue` says what it looks like, where that is known; `tried` names the
    /// formats, and why those that nearly fit do not.
    case unrecognised(name: String, clue: String?, tried: [FormatAttempt])
    /// More than one format fits: name one.
    case ambiguous(name: String, formats: [ExchangeFormat])
    /// The format does not do this; the text says what.
    case unsupported(name: String, reason: String)
    /// The file holds another network than the store.
    case networkMismatch(name: String, file: String, store: String)
    /// Two files, or a file and a store, hold different networks: they are neither joined nor compared.
    case differentNetworks(name: String, network: String, other: String, otherNetwork: String)
    /// Nothing says of what network the peers are: it has to be told.
    case networkNotStated(name: String)
    /// The store's network cannot be written in this format.
    case networkNotCarried(format: ExchangeFormat, network: String)
    /// A restore needs a whole file, and this one is not; the text says what is missing.
    case notRestorable(name: String, reason: String)
    /// The file was read already: a source is good for one import.
    case alreadyRead(name: String)
    /// The operating system refused.
    case system(operation: String, name: String, code: Int32)
    /// The reader of our output went away.
    case brokenPipe(name: String)
    /// No room left on the device.
    case diskFull(name: String)
    /// The file to be written is a database, or a part of one: they are not written over.
    case isDatabase(name: String)
    /// The task was cancelled.
    case cancelled
    /// The store refused or failed.
    case store(StoreError)

    init(operation: String, name: String, code: Int32) {
        switch code {
        case EPIPE: self = .brokenPipe(name: name)
        case ENOSPC, EDQUOT: self = .diskFull(name: name)
        default: self = .system(operation: operation, name: name, code: code)
        }
    }

    /// Runs `body`, and gives what a store throws in it a case of this type.
    static func mapping<Value>(_ body: () throws(StoreError) -> Value) throws(ExchangeError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            throw .store(error)
        }
    }
}

extension ExchangeError: CustomStringConvertible {
    /// What is wrong, where, and what to do.
    public var description: String {
        switch self {
        case .unrecognised(let name, let clue?, _): "\(name): \(clue)"
        case .unrecognised(let name, nil, let tried):
            "\(name): not recognised. Tried: \(tried.map(\.description).joined(separator: ", ")). "
                + "Name the format with --format."
        case .ambiguous(let name, let formats):
            "\(name): could be any of \(Self.list(formats)). Name the format with --format."
        case .unsupported(let name, let reason): "\(name): \(reason)"
        case .networkMismatch(let name, let file, let store):
            "\(name): holds peers of \(file), the store \(store). One store holds one network: use another --db."
        case .differentNetworks(let name, let network, let other, let otherNetwork):
            "\(name) holds peers of \(network), \(other) of \(otherNetwork): networks are not mixed."
        case .networkNotStated(let name):
            "\(name) does not say of what network its peers are: use --network."
        case .networkNotCarried(let format, let network):
            "The format \(format.name) carries no peers of network \(network)."
        case .notRestorable(let name, let reason): "\(name): cannot be restored from: \(reason). Nothing was changed."
        case .alreadyRead(let name): "\(name): was read already; open it again."
        case .system(let operation, let name, let code):
            "\(name): cannot \(operation): \(Self.text(ofSystemError: code))."
        case .brokenPipe(let name): "\(name): whoever was reading has gone away."
        case .diskFull("standard output"): "standard output: no room left on the device. What was written is not whole."
        case .diskFull(let name): "\(name): no room left on the device. Nothing was half-written."
        case .isDatabase(let name):
            "\(name): is a database or a part of one, which is not written over. Name another file, or remove it first."
        case .cancelled: "Interrupted."
        case .store(let error): error.description
        }
    }

    static func text(ofSystemError code: Int32) -> String { String(cString: strerror(code)) }

    private static func list(_ formats: [ExchangeFormat]) -> String {
        formats.map(\.name).joined(separator: ", ")
    }
}

/// A format that a file was held against.
public struct FormatAttempt: Hashable, Sendable, CustomStringConvertible {
    public let format: ExchangeFormat
    /// Why it nearly fits and does not; nil where nothing speaks for it.
    public let nearMiss: String?

    init(_ format: ExchangeFormat, nearMiss: String? = nil) {
        self.format = format
        self.nearMiss = nearMiss.map { Printable.text($0, limit: 160) }
    }

    public var description: String { format.name + (nearMiss.map { " (\($0))" } ?? "") }
}
