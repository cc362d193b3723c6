import KadStore
import Kademlia

/// The store under a name, whatever becomes of the file: it may go, come back, and be replaced by another.
struct WatchedStore {
    /// What one look found.
    struct Look {
        let network: Network
        let scope: Scope
        let glance: Glance
        let tables: [TablePicture]
    }

    enum Condition: Equatable {
        case open
        /// There is no file under the name, now.
        case missing
        /// It is there and cannot be read; why.
        case unreadable(String)
    }

    let path: String
    private let options: StoreOptions
    private(set) var condition = Condition.open
    /// When another file was found under the name.
    private(set) var replacedAt: Instant?
    /// Counts up with every file that is opened: what was counted of one says nothing about the next.
    private(set) var generation = 0
    private(set) var store: Store?
    private var watch: StoreWatch?
    private var file: FileStatus.Identity?

    init(path: String, options: StoreOptions = StoreOptions()) {
        self.path = path
        self.options = options
    }

    /// Opens the store for the first time: what is wrong with it then, ends the command.
    mutating func open() async throws {
        // Before the file is opened: if it is replaced meanwhile, the next look sees that.
        file = FileStatus.identity(of: path)
        let store = try await Store.open(path, mode: .readOnly, options: options)
        self.store = store
        watch = store.watch()
        generation += 1
        condition = .open
    }

    /// Looks, opening the store again where that is called for.
    ///
    /// - Returns: nil when there is nothing to be seen: ``condition`` says why.
    mutating func look(now: Instant) async -> Look? {
        guard let current = FileStatus.identity(of: path) else {
            await close()
            condition = .missing
            return nil
        }
        do {
            if store == nil || current != file {
                await close()
                if let file, current != file { replacedAt = now }
                try await open()
            }
            guard let store, var watch else { return nil }
            let glance = try watch.look()
            self.watch = watch
            let tables = try store.identities().map { try TablePicture(of: store, identity: $0, now: now) }
            condition = .open
            return Look(network: store.network, scope: store.scope, glance: glance, tables: tables)
        } catch {
            // It may be in the making, or be put right: the next look tries again from the beginning.
            await close()
            condition = .unreadable("\(error)")
            return nil
        }
    }

    mutating func close() async {
        // Only reads were made: whatever closing fails at, nothing is lost.
        try? await store?.close()
        store = nil
        watch = nil
    }
}
