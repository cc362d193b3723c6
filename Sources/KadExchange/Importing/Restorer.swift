import KadStore
import Kademlia
import Multiformats
import Synchronization

/// What a restore brought back.
public struct RestoreReport: Hashable, Sendable {
    public internal(set) var peers = 0
    public internal(set) var candidates = 0
    public internal(set) var tombstones = 0
    public internal(set) var identities = 0
    public internal(set) var buckets = 0
    public internal(set) var heldFailures = 0
    public internal(set) var sessions = 0
    public internal(set) var lookups = 0
}

extension Store {
    /// Fills this empty store with a native file, every field as it is: exporting it again gives the same bytes. All of
    /// the file or, when anything in it is wrong, nothing.
    ///
    /// - Throws: ``ExchangeError``: not the native format, another network or scope, a damaged or cut file with the place
    ///   of the damage, a store that is not empty.
    public func restorePeers(from source: ImportSource) async throws(ExchangeError) -> RestoreReport {
        try await restorePeers(source.preparedRestore())
    }

    /// Fills this empty store with a file that was looked through.
    public func restorePeers(_ prepared: PreparedRestore) async throws(ExchangeError) -> RestoreReport {
        if prepared.network != network || prepared.scope != scope {
            throw .networkMismatch(
                name: prepared.name,
                file: "\(prepared.network.exchangeDescription), \(prepared.scope.rawValue) scope",
                store: "\(network.exchangeDescription), \(scope.rawValue) scope")
        }
        let run = Mutex(RestoreRun(network: network, name: prepared.name, try prepared.take()))
        do {
            try await restore { try run.withLock { try $0.next() } }
        } catch let error as ExchangeError {
            throw error
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .notRestorable(name: prepared.name, reason: "\(error)")
        }
        return run.withLock { $0.report }
    }
}

/// A native file that was looked through and can be restored from, if nobody changes it meanwhile.
public final class PreparedRestore: Sendable {
    /// The file's.
    public let name: String
    public let network: Network
    public let scope: Scope
    private let input: Mutex<Handover<ByteInput>?>

    fileprivate init(_ name: String, _ network: Network, _ scope: Scope, _ input: ByteInput) {
        self.name = name
        self.network = network
        self.scope = scope
        self.input = Mutex(Handover(input))
    }

    fileprivate func take() throws(ExchangeError) -> ByteInput {
        let taken = input.withLock { input in
            defer { input = nil }
            return input
        }
        guard let taken else { throw .alreadyRead(name: name) }
        return taken.value
    }
}

extension ImportSource {
    /// Looks a native file through from beginning to end, on a thread of its own, before a store is made or locked for
    /// it. A pipe is kept in a temporary file: however slowly it is written, no other writer waits for it.
    ///
    /// - Throws: ``ExchangeError``: not the native format, a damaged or cut file with the place of the damage.
    public func preparedRestore() async throws(ExchangeError) -> PreparedRestore {
        guard format.canRestore, let network, let scope else {
            throw .unsupported(
                name: name,
                reason: "a restore needs the format '\(ExchangeFormat.native.name)', this is '\(format.name)'.")
        }
        return try await withOwnThread { [self] cancellation throws(ExchangeError) in
            let taken = try take()
            taken.cancellation = cancellation
            let input = taken.canRewind ? taken : try taken.spooled()
            let start = input.offset
            var run = RestoreRun(network: network, name: name, input)
            while try run.next() != nil {}
            try input.rewind(to: start)
            input.cancellation = nil
            return PreparedRestore(name, network, scope, input)
        }
    }
}

/// The items of a restore, in the order of the file; the clock comes last, when the footer was right.
private struct RestoreRun: @unchecked Sendable {
    let network: Network
    let name: String
    var lines: NativeLines
    var report = RestoreReport()
    private var clock: ClockMark?
    private var isDone = false

    init(network: Network, name: String, _ input: ByteInput) {
        self.network = network
        self.name = name
        lines = NativeLines(input, network: network)
    }

    mutating func next() throws(ExchangeError) -> RestoreItem? {
        while !isDone {
            switch try lines.next() {
            case .record(let record):
                if let item = try item(record) { return item }
            case .bad(let reason, _): throw refusal(reason)
            case .footer(nil): continue
            case .footer(let reason?), .end(let reason?): throw refusal(reason)
            case .end(nil):
                isDone = true
                return clock.map(RestoreItem.clock)
            }
        }
        return nil
    }

    private mutating func item(_ record: NativeRecord) throws(ExchangeError) -> RestoreItem? {
        switch record {
        case .header(let header):
            clock = header.clock
            return nil
        case .peer(let peer):
            report.peers += 1
            return .peer(peer.record(try self.peer(peer.id, peer.key)))
        case .candidate(let candidate):
            report.candidates += 1
            return .candidate(candidate)
        case .tombstone(let tombstone):
            report.tombstones += 1
            return .tombstone(tombstone)
        case .identity(let number, let id, let key, let label, let createdAt):
            report.identities += 1
            return .identity(
                Identity(number: number, peer: try peer(id, key), label: label, createdAt: createdAt))
        case .bucket(let bucket, let identity):
            report.buckets += 1
            return .bucket(bucket, identity: identity)
        case .held(let held):
            report.heldFailures += 1
            return .held(held)
        case .witnesses(let witnesses, let canaryAt): return .witnesses(witnesses, canaryAt: canaryAt)
        case .session(let session):
            report.sessions += 1
            return .session(session)
        case .lookup(let summary):
            report.lookups += 1
            return .lookup(summary)
        case .lookupTotals(let totals): return .lookupTotals(totals)
        case .footer: return nil
        }
    }

    private func peer(_ id: PeerID, _ key: Key) throws(ExchangeError) -> Peer {
        let own = try ExchangeError.mapping { () throws(StoreError) in try network.key(of: id) }
        guard own == key else { throw refusal(.wrongKey) }
        return Peer(id: id, key: key)
    }

    private func refusal(_ reason: RejectionReason) -> ExchangeError {
        .notRestorable(name: name, reason: "\(lines.place): \(reason)")
    }
}
