import KadStore
import Kademlia
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
        guard source.format.canRestore else {
            throw .unsupported(
                name: source.name,
                reason: "a restore needs the format '\(ExchangeFormat.native.name)', this is '\(source.format.name)'.")
        }
        if source.network != network || source.scope != scope {
            throw .networkMismatch(
                name: source.name,
                file: "\(source.network?.exchangeDescription ?? "no network"), \(source.scope?.rawValue ?? "no") scope",
                store: "\(network.exchangeDescription), \(scope.rawValue) scope")
        }
        let lines = NativeLines(try source.take(), network: network)
        let run = Mutex(RestoreRun(store: self, name: source.name, lines: lines))
        do {
            try await restore { try run.withLock { try $0.next() } }
        } catch let error as ExchangeError {
            throw error
        } catch let error as StoreError {
            throw .store(error)
        } catch {
            throw .notRestorable(name: source.name, reason: "\(error)")
        }
        return run.withLock { $0.report }
    }
}

/// The items of a restore, in the order of the file; the clock comes last, when the footer was right.
private struct RestoreRun: @unchecked Sendable {
    let store: Store
    let name: String
    var lines: NativeLines
    var report = RestoreReport()
    private var clock: ClockMark?
    private var isDone = false

    init(store: Store, name: String, lines: NativeLines) {
        self.store = store
        self.name = name
        self.lines = lines
    }

    mutating func next() throws -> RestoreItem? {
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

    private mutating func item(_ record: NativeRecord) throws -> RestoreItem? {
        switch record {
        case .header(let header):
            clock = header.clock
            return nil
        case .peer(let peer):
            let known = try store.peer(peer.id)
            guard known.key == peer.key else { throw refusal(.wrongKey) }
            report.peers += 1
            return .peer(peer.record(known))
        case .candidate(let candidate):
            report.candidates += 1
            return .candidate(candidate)
        case .tombstone(let tombstone):
            report.tombstones += 1
            return .tombstone(tombstone)
        case .identity(let number, let id, let key, let label, let createdAt):
            let known = try store.peer(id)
            guard known.key == key else { throw refusal(.wrongKey) }
            report.identities += 1
            return .identity(Identity(number: number, peer: known, label: label, createdAt: createdAt))
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

    private func refusal(_ reason: RejectionReason) -> ExchangeError {
        .notRestorable(name: name, reason: "\(lines.place): \(reason)")
    }
}
