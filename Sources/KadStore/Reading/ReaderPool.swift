import Kademlia
import Synchronization

/// Read connections, handed out one to a reader at a time. A reader never waits for another: when all are out, one more
/// is opened; the surplus is closed on return.
final class ReaderPool: Sendable {
    /// A connection that has one holder at a time: the pool's mutex passes it on.
    private struct Idle: @unchecked Sendable {
        var readers: [RecordReader] = []
        var isClosed = false
    }

    private let path: String
    private let access: Connection.Access
    private let network: Network
    private let options: StoreOptions
    private let idle = Mutex(Idle())

    init(path: String, access: Connection.Access, network: Network, options: StoreOptions) throws(StoreError) {
        self.path = path
        self.access = access
        self.network = network
        self.options = options
        let first = try open()
        idle.withLock { $0.readers.append(first) }
    }

    private func open() throws(StoreError) -> sending RecordReader {
        try StoreError.mapping(path) {
            let connection = try Connection(path: path, access: access, waitMilliseconds: options.waitMilliseconds)
            try connection.execute("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON")
            try connection.execute("PRAGMA cache_size = -\(options.cacheKibibytes)")
            return RecordReader(connection, network: network)
        }
    }

    /// Runs `body` with a reader of its own.
    func withReader<Result>(_ body: (RecordReader) throws -> Result) throws(StoreError) -> Result {
        let reader = try borrow()
        defer { giveBack(reader) }
        return try StoreError.mapping(path) { try body(reader) }
    }

    private struct Loan: @unchecked Sendable {
        let reader: RecordReader?
        let isClosed: Bool
    }

    private func borrow() throws(StoreError) -> RecordReader {
        let loan = idle.withLock { Loan(reader: $0.readers.popLast(), isClosed: $0.isClosed) }
        guard !loan.isClosed else { throw .closed }
        if let reader = loan.reader { return reader }
        return try open()
    }

    private func giveBack(_ reader: RecordReader) {
        let loan = Loan(reader: reader, isClosed: false)
        let keep = options.readerCount
        idle.withLock { idle in
            guard !idle.isClosed, idle.readers.count < keep, let reader = loan.reader else { return }
            idle.readers.append(reader)
        }
    }

    func close() {
        idle.withLock { idle in
            idle.isClosed = true
            idle.readers.removeAll()
        }
    }
}
