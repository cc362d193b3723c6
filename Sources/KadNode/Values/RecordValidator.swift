import Kademlia

/// Decides what may be kept under the keys of one namespace, and which of several values counts. Values come from the wire:
/// whoever stores, serves or returns one asks first.
public protocol RecordValidator: Sendable {
    /// Whether `value` may stand under `key`: its form, its signature, its validity at this time.
    ///
    /// - Parameter key: the whole key, its namespace included.
    func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault)

    /// Which of these valid values counts: the newest, where they have an order.
    ///
    /// - Parameter values: never empty, each of them valid under `key`. Of equal ones the first counts.
    /// - Returns: an index of `values`.
    func select(key: [UInt8], among values: [[UInt8]]) -> Int
}

/// Why a value may not stand under a key.
public enum RecordFault: Error, Hashable, Sendable {
    /// The key has no namespace (`/name/…`), or one whose values this node cannot judge.
    case unknownNamespace(String?)
    /// Key or value have not the form that their namespace prescribes.
    case malformed
    /// The value does not belong to the key: another's public key, for example.
    case contradictory
    /// Its signature is not that of who may sign it.
    case badSignature
    /// It was valid, or will be, but not at this time.
    case expired
    /// Signed by a kind of key that this node cannot check.
    case unverifiable

    /// Whether somebody who passes such a value on has broken a rule. What has run out meanwhile, by clocks that differ, and
    /// what this node cannot judge says nothing about who passed it on.
    public var speaksAgainstSender: Bool {
        switch self {
        case .malformed, .contradictory, .badSignature: true
        case .unknownNamespace, .expired, .unverifiable: false
        }
    }
}

/// The validators of all namespaces that a node takes values in. A value in any other namespace is refused: what cannot be
/// judged could be anything.
public struct RecordValidators: RecordValidator {
    private let byNamespace: [[UInt8]: any RecordValidator]

    /// - Parameter byNamespace: by the name alone, without slashes: `["pk": …, "ipns": …]`.
    public init(_ byNamespace: [String: any RecordValidator] = [:]) {
        self.byNamespace = Dictionary(byNamespace.map { (Array($0.key.utf8), $0.value) }) { first, _ in first }
    }

    /// The namespace of a key, `name` of `/name/…`; nil where it has none, or nothing behind it.
    public static func namespace(of key: [UInt8]) -> ArraySlice<UInt8>? {
        guard key.first == slash, let end = key.dropFirst().firstIndex(of: slash), end > 1, end + 1 < key.count else {
            return nil
        }
        return key[1..<end]
    }

    /// The same as text, for messages.
    static func name(of key: [UInt8]) -> String? { namespace(of: key).map { String(decoding: $0, as: UTF8.self) } }

    private static let slash = UInt8(ascii: "/")

    /// Whether values of a key's namespace can be judged.
    public func accept(_ key: [UInt8]) -> Bool { validator(of: key) != nil }

    private func validator(of key: [UInt8]) -> (any RecordValidator)? {
        Self.namespace(of: key).flatMap { byNamespace[Array($0)] }
    }

    public func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        guard let validator = validator(of: key) else { throw .unknownNamespace(Self.name(of: key)) }
        try validator.validate(key: key, value: value, at: now)
    }

    /// - Returns: 0 where nobody can choose.
    public func select(key: [UInt8], among values: [[UInt8]]) -> Int {
        guard let validator = validator(of: key) else { return 0 }
        let choice = validator.select(key: key, among: values)
        return values.indices.contains(choice) ? choice : 0
    }
}
