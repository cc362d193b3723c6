import Kademlia
import Multiformats

/// Queued events, written as one: each row is read once and written once, in key order, however many events are its own.
struct Batch {
    private var byPeer: [Key: [StoreEvent]] = [:]
    private var byCandidate: [Multiaddr: [StoreEvent]] = [:]
    private var buckets: [BucketName: BucketSnapshot] = [:]
    private var clock: ClockMark?

    private struct BucketName: Hashable, Comparable {
        let identity: Int64
        let index: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.identity, left.index) < (right.identity, right.index)
        }
    }

    init(events: [StoreEvent]) {
        for event in events {
            if let peer = event.peer {
                byPeer[peer.key, default: []].append(event)
            } else if let address = event.candidate {
                byCandidate[address, default: []].append(event)
            } else if case .bucket(let snapshot, let identity) = event {
                buckets[BucketName(identity: identity, index: snapshot.index)] = snapshot
            } else if case .clock(let mark) = event {
                clock = clock?.followed(by: mark) ?? mark
            }
        }
    }

    /// The record of a peer, or nil within; nil when its row is damaged. Such a row is left as it is for a check to name
    /// and a salvage to save, and the events of its peer are dropped: to fail for them would stop all other writing.
    private static func readable(_ key: Key, _ reader: RecordReader) throws -> PeerRecord?? {
        do {
            return .some(try reader.record(of: key))
        } catch StoreError.corrupt {
            return nil
        }
    }

    /// Pages are touched in the order in which they lie in the file: a batch in key order costs less than half of one in
    /// order of arrival.
    func write(to records: RecordWriter) throws {
        let reader = records.reader
        var leftTombstones = false
        for (key, events) in byPeer.sorted(by: { $0.key < $1.key }) {
            guard case .some(let stored) = try Self.readable(key, reader) else { continue }
            var record = stored
            for event in events {
                try event.apply(to: &record, tombstone: reader.tombstone)
                guard let left = event.tombstone else { continue }
                if let left {
                    try records.write(left)
                    leftTombstones = true
                } else {
                    try records.removeTombstone(of: key)
                }
            }
            try records.replace(stored, with: record, key: key)
        }
        for (address, events) in byCandidate.sorted(by: { $0.key < $1.key }) {
            let stored = try reader.candidate(at: address)
            var candidate = stored
            for event in events { event.apply(to: &candidate) }
            try records.replace(stored, with: candidate, address: address)
        }
        for (name, snapshot) in buckets.sorted(by: { $0.key < $1.key }) {
            try records.write(snapshot, identity: name.identity)
        }
        if let clock { try records.write(clock) }
        if leftTombstones { try records.capTombstones() }
    }
}
