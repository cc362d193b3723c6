import Kademlia
import Multiformats

/// Queued events, written as one: each row is read once and written once, in key order, however many events are its own.
struct Batch {
    private var byPeer: [Key: [StoreEvent]] = [:]
    private var byCandidate: [Multiaddr: [StoreEvent]] = [:]
    private var byValueKey: [[UInt8]: [StoreEvent]] = [:]
    private var visits: [Key: [StoreEvent]] = [:]
    private var buckets: [BucketName: BucketSnapshot] = [:]
    /// Marks of time and sessions, in their order.
    private var times: [StoreEvent] = []
    private var witnesses: (latest: [OutageGuard.Witness], canaryAt: Instant?)?
    private var lookups: [LookupSummary] = []

    private struct BucketName: Hashable, Comparable {
        let identity: Int64
        let index: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.identity, left.index) < (right.identity, right.index)
        }
    }

    init(events: [StoreEvent]) {
        for event in events {
            if let key = event.key {
                byPeer[key, default: []].append(event)
            } else if let address = event.candidate {
                byCandidate[address, default: []].append(event)
            } else if let key = event.valueKey {
                byValueKey[key, default: []].append(event)
            } else if case .visited(let key, _, _, _) = event {
                visits[key, default: []].append(event)
            } else {
                take(event)
            }
        }
    }

    private mutating func take(_ event: StoreEvent) {
        switch event {
        case .bucket(let snapshot, let identity):
            buckets[BucketName(identity: identity, index: snapshot.index)] = snapshot
        case .clock, .online: times.append(event)
        case .witnesses(let latest, let canaryAt): witnesses = (latest, canaryAt)
        case .lookedUp(let summary): lookups.append(summary)
        default: break
        }
    }

    /// What is stored, or nil within; nil when the row is damaged. Such a row is left as it is for a check to name and a
    /// salvage to save, and what would change it is dropped: to fail for it would stop all other writing.
    private static func readable<Stored>(_ read: () throws -> Stored?) throws -> Stored?? {
        do {
            return .some(try read())
        } catch StoreError.corrupt {
            return nil
        }
    }

    /// Pages are touched in the order in which they lie in the file: a batch in key order costs less than half of one in
    /// order of arrival.
    func write(to records: RecordWriter, _ limits: HoldingLimits) throws {
        let reader = records.reader
        var newestTombstone: Instant?
        var heldFailures = false
        for (key, events) in byPeer.sorted(by: { $0.key < $1.key }) {
            guard case .some(let stored) = try Self.readable({ try reader.record(of: key) }) else { continue }
            var record = stored
            var held: OutageGuard.Held??
            for event in events {
                try event.apply(to: &record, tombstone: reader.tombstone)
                held = event.held ?? held
                guard let left = event.tombstone else { continue }
                if let left {
                    try records.write(left)
                    newestTombstone = max(newestTombstone ?? left.droppedAt, left.droppedAt)
                } else {
                    try records.removeTombstone(of: key)
                }
            }
            try records.replace(stored, with: record, key: key)
            guard record != nil, let left = held else { continue }
            if let left { try records.write(left) } else { try records.removeHeld(of: key) }
            heldFailures = heldFailures || left != nil
        }
        for (address, events) in byCandidate.sorted(by: { $0.key < $1.key }) {
            guard case .some(let stored) = try Self.readable({ try reader.candidate(at: address) }) else { continue }
            var candidate = stored
            for event in events { event.apply(to: &candidate) }
            try records.replace(stored, with: candidate, address: address)
        }
        for (name, snapshot) in buckets.sorted(by: { $0.key < $1.key }) {
            try records.write(snapshot, identity: name.identity)
        }
        try writeTimes(records)
        if let witnesses { try records.write(witnesses.latest, canaryAt: witnesses.canaryAt) }
        try records.add(lookups)
        try records.write(byValueKey, limits)
        try records.write(visits: visits)
        if let newestTombstone { try records.capTombstones(newest: newestTombstone) }
        if heldFailures { try records.capHeld() }
    }

    private func writeTimes(_ records: RecordWriter) throws {
        guard !times.isEmpty else { return }
        var clock = try records.reader.clock()
        let sessions = try records.reader.sessions()
        var online = sessions
        for event in times {
            event.apply(to: &clock)
            event.apply(to: &online)
        }
        if let clock { try records.write(clock) }
        try records.replace(sessions, with: online)
    }
}
