import Kademlia

/// A row that a salvage could not take over.
public struct LostRow: Hashable, Sendable {
    /// Why. Told apart, because they mean different things to a person: what is broken, and what was only left over.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// Its bytes are no row.
        case unreadable
        /// A part of it lies in pages that are not there, or that belong to something else.
        case cut
        /// Its columns are not those of its table.
        case shape
        /// Its bytes are not those that were written: its seal says so.
        case seal
        /// It says what cannot be.
        case implausible
        /// It stood apart from every table, and nothing tells of which it was.
        case unattributable
        /// What it hangs on was lost: the peer of a failure, the identity of a bucket.
        case dependent
        /// More than are kept of its kind.
        case excess
        /// A row that is there twice in one table: a page was written over with a copy of another, and what it held is gone.
        case displaced
        /// Counted by the store, or named by other rows, and met nowhere: its page is gone, or holds something else.
        case missing
    }

    /// Empty where nothing tells.
    public var table: String
    public var reason: Reason
    /// The page, from 1.
    public var page: Int
    /// Its place in the page.
    public var cell: Int
    /// Its bytes, as far as they could be found.
    public var bytes: [UInt8]
}

/// What a salvage found, and what came of it.
public struct SalvageReport: Hashable, Sendable {
    public enum Outcome: String, Hashable, Sendable {
        /// Nothing is wrong with the file; it was left as it is.
        case sound
        /// A sound store was made of what could be read.
        case salvaged
        /// It could be: nothing was written.
        case salvageable
    }

    /// What became of one table's rows.
    public struct Table: Hashable, Sendable {
        public var name: String
        /// Rows, or places where one should be, that were met or are known to have been there: the sum of the others.
        public var found = 0
        /// Taken over.
        public var saved = 0
        /// Older copies of rows that were taken over.
        public var superseded = 0
        /// Left out, and why.
        public var lost: [LostRow.Reason: Int] = [:]
        /// Those of the saved that stood in pages that no table led to: they may have been deleted before.
        public var fromOrphans = 0

        public var lostCount: Int { lost.values.reduce(0, +) }

        init(_ name: String) { self.name = name }
    }

    public var path: String
    public var outcome = Outcome.sound
    /// Where the sound store is: the path itself, or the file that was asked for; nil where none was made.
    public var output: String?
    /// The files that the damaged database and its log are kept as.
    public var kept: [String] = []
    /// What check said of the file: the first problem.
    public var problem: String?
    /// The schema version that the file is of. What comes out has the current one.
    public var schema = 0
    public var network: Network?
    public var scope: Scope?
    /// Whether the description of the network was lost, and was told by the peers or the caller.
    public var isNetworkInferred = false
    /// Whether the file's secret was lost and a new one drawn: the random choices of a node come out differently.
    public var isSaltNew = false
    /// Peers in the sound store.
    public var peers = 0
    /// Peers that the damaged file says to have; nil where that cannot be read.
    public var expectedPeers: Int?
    /// Pages of the file and its log.
    public var pages = 0
    /// Of them, nodes that no tree led to and that hold rows.
    public var orphanPages = 0
    /// Places where a page of a table should be and is not.
    public var damagedPages = 0
    /// Whether the list of free pages can be read: where it cannot, deleted rows may come back.
    public var isFreeListIntact = true
    public var log = LogState()
    /// Every table of which anything was met, in the order of the schema.
    public var tables: [Table] = []

    /// Whether the file is of an older schema than the current one.
    public var isOlder: Bool { schema < Migrator.latest }
    public var saved: Int { tables.reduce(0) { $0 + $1.saved } }
    public var lost: Int { tables.reduce(0) { $0 + $1.lostCount } }
    /// Whether nothing tells that more was there than was saved. Pages with rows that no table led to are left when what led
    /// to them is gone, and rows with it.
    public var isComplete: Bool { lost == 0 && damagedPages == 0 && orphanPages == 0 && log.problem == nil }
    public var fromOrphans: Int { tables.reduce(0) { $0 + $1.fromOrphans } }

    init(path: String) { self.path = path }
}
