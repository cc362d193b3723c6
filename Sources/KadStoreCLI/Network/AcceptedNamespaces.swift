import ArgumentParser
import KadLibp2p
import KadNode
import Kademlia

/// Whose values are taken: those that can be judged, and on request those of other namespaces as they come.
enum AcceptedNamespaces {
    static func check(_ names: [String]) throws {
        for name in names {
            guard !name.isEmpty, !name.contains("/"), name.utf8.count <= 64 else {
                throw ValidationError("--accept takes the name of a namespace, without slashes.")
            }
            guard !["pk", "ipns"].contains(name) else {
                throw ValidationError("Values under /\(name)/ are taken when they are valid, and are not taken otherwise.")
            }
        }
    }

    static func validators(_ names: [String]) -> RecordValidators {
        var all: [String: any RecordValidator] = [
            "pk": PublicKeyRecordValidator(), "ipns": IPNSRecordValidator(),
        ]
        for name in names { all[name] = AnyRecord() }
        return RecordValidators(all)
    }
}

/// Takes every value but an empty one. What came last takes the place of what was there, as with py-libp2p's example of
/// such a validator; of several that are found, the first counts.
struct AnyRecord: RecordValidator {
    func validate(key: [UInt8], value: [UInt8], at now: Instant) throws(RecordFault) {
        guard !value.isEmpty else { throw .malformed }
    }

    func select(key: [UInt8], among values: [[UInt8]]) -> Int { 0 }
}
