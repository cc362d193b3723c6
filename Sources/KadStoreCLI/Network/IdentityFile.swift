import ArgumentParser
import KadLibp2p
import KadStore
import Multiformats

/// Where a node's own key is kept: beside the store, or where it is said to be.
struct IdentityOptions: ParsableArguments {
    @Option(
        name: .customLong("identity"),
        help: ArgumentHelp(
            "The file with the node's own key. (default: the database's name and .identity)", valueName: "file"),
        completion: .file())
    var file: String?

    func path(of database: DatabaseOptions) -> String { file ?? database.path + ".identity" }

    func validate() throws {
        guard file != "" else { throw ValidationError("The name of --identity is empty.") }
    }
}

enum IdentityFile {
    /// The key in a file; a new one, saved there, where there is none.
    static func loadOrCreate(_ path: String) throws -> KeyPair {
        let existed = FileStatus.exists(path)
        let keys = try KeyPair(contentsOfOrSavingTo: path)
        if !existed {
            Messages.line("Created \(Terminal.standardError.safe(path)): the key of this node. Keep it to yourself.")
        } else if FileStatus.isOpenToOthers(path) {
            Messages.line(
                "kadstore: \(Terminal.standardError.safe(path)): every user of this machine may use this key. 'chmod 600' "
                    + "keeps it to yourself.")
        }
        return keys
    }

    /// Says so when the store has the tables of others, and none of this node: it begins with none, though not without
    /// memory.
    static func warn(_ id: PeerID, with path: String, in store: Store) throws {
        let known = try store.identities().map(\.peer.id)
        guard !known.isEmpty, !known.contains(id) else { return }
        let name = store.network.idEncoding.encode
        let others = known.prefix(3).map(name).joined(separator: ", ") + (known.count > 3 ? ", …" : "")
        let terminal = Terminal.standardError
        Messages.line(
            "kadstore: \(terminal.safe(store.path)) is of \(others), and the key in \(terminal.safe(path)) of "
                + "\(name(id)): its table begins empty.")
    }
}
