import KadNode
import Kademlia

/// Admits every value that is not empty. A new one takes the place of one that is kept; of several that are found the first
/// counts.
///
/// For namespaces that an operator opens knowingly: anybody may then replace anybody's value.
public struct AnyRecordValidator: RecordValidator {
    public init() {}

    public func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        guard !value.isEmpty else { throw .malformed }
    }

    public func select(key: [UInt8], among values: [[UInt8]]) -> Int { 0 }
}
