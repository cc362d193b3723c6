import KadStore

/// Finds the identity that a person means: by its number, label or id.
enum IdentityChoice {
    /// The most identities that an error lists.
    private static let shown = 10

    /// - Parameter wanted: nil for all of them.
    /// - Throws: ``CommandError/notThere(_:suggestions:status:)``, which lists those that there are.
    static func identities(_ wanted: String?, of store: Store) throws -> [Identity] {
        let identities = try store.identities()
        guard let wanted else { return identities }
        let network = store.network
        let matches = identities.filter {
            String($0.number) == wanted || $0.label == wanted || network.idEncoding.encode($0.peer.id) == wanted
        }
        guard matches.isEmpty else { return matches }
        var names = identities.prefix(shown).map { "\($0.number) (\($0.label.isEmpty ? "no label" : $0.label))" }
        if identities.count > shown { names.append("\(identities.count - shown) more") }
        throw CommandError.notThere(
            "no identity '\(wanted)' in the store."
                + (names.isEmpty ? " It has none." : " It has: \(names.joined(separator: ", "))."),
            suggestions: Suggestions.names(
                like: wanted, among: identities.flatMap { [$0.label, network.idEncoding.encode($0.peer.id)] }),
            status: .negative)
    }
}
