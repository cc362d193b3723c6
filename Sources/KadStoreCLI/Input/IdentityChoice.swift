import KadStore

/// Finds the identity that a person means: by its number, label or id.
enum IdentityChoice {
    /// - Parameter wanted: nil for all of them.
    /// - Throws: ``CommandError/noSuchIdentity(_:)``, which lists those that there are.
    static func identities(_ wanted: String?, of store: Store) throws -> [Identity] {
        let identities = try store.identities()
        guard let wanted else { return identities }
        let network = store.network
        let matches = identities.filter {
            String($0.number) == wanted || $0.label == wanted || network.idEncoding.encode($0.peer.id) == wanted
        }
        guard matches.isEmpty else { return matches }
        let names = identities.map { "\($0.number) (\($0.label.isEmpty ? "no label" : $0.label))" }
        throw CommandError.noSuchIdentity(
            "no identity '\(wanted)' in the store."
                + (names.isEmpty ? " It has none." : " It has: \(names.joined(separator: ", ")).")
        )
    }
}
