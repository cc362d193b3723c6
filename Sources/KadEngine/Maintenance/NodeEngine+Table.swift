import KadStore
import Kademlia
import Multiformats

extension NodeEngine {
    /// What the routing table decided.
    func carryOut(_ directives: [RoutingTable.Directive]) {
        for directive in directives {
            switch directive {
            case .ping(let key): askContact(key)
            case .changed(let bucket): upkeep.changedBuckets.insert(bucket)
            case .inserted, .evicted, .cached, .dropped, .refused: break
            }
        }
    }

    /// Asks a contact whether it lives, within the pace of upkeep. One question in flight is enough.
    func askContact(_ key: Key) {
        guard !calls.isAsking(contact: key), let record = recall(key), let addresses = admit(record) else { return }
        askContact(record, at: addresses)
    }

    func askContact(_ record: PeerRecord, at addresses: [Multiaddr]) {
        let lane = ProbePacer.Lane(record.key, in: addresses.first.flatMap(group))
        guard upkeep.pacer.take(lane, at: uptime) else { return }
        ping(record.peer, at: addresses, for: .contact, lane: lane)
    }

    /// Asks in buckets where nearly every breaker is open, whatever the breakers say: a bucket that asks nobody never
    /// learns that its peers came back. Two of each bucket, the one whose wait ends soonest first.
    func relievePanic() {
        guard configuration.usesHistory else { return }
        for bucket in table.buckets where bucket.live.count >= configuration.failures.breaker.panicBucketSize {
            let records = bucket.live.compactMap { recall($0.key) }
            let released = BreakerPanic.released(
                of: records.map { ($0.key, current($0)) }, at: now, policy: configuration.failures)
            for key in released?.prefix(2) ?? [] where !calls.isAsking(contact: key) {
                guard let record = records.first(where: { $0.key == key }) else { continue }
                let addresses = dialable(record)
                if !addresses.isEmpty { askContact(record, at: addresses) }
            }
        }
    }
}
