import ArgumentParser
import KadLibp2p

/// The namespaces whose values are taken as they come, beside those whose values can be judged.
enum AcceptedNamespaces {
    static func check(_ names: [String]) throws {
        for name in names {
            guard !name.isEmpty, !name.contains("/"), name.utf8.count <= 64 else {
                throw ValidationError("--accept takes the name of a namespace, without slashes.")
            }
            guard ![PublicKeyRecordValidator.namespace, IPNSRecordValidator.namespace].contains(name) else {
                throw ValidationError("Values under /\(name)/ are taken when they are valid, and not otherwise.")
            }
        }
    }
}
