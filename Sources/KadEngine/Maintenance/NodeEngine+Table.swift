import KadStore
import Kademlia

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
    @discardableResult
    func askContact(_ key: Key) -> Bool {
        guard !calls.isAsking(contact: key), let record = recall(key), let addresses = admit(record) else { return false }
        let lane = ProbePacer.Lane(key, in: addresses.first.flatMap(group))
        guard upkeep.pacer.take(lane, at: uptime) else { return false }
        let deadline = uptime.advanced(byMilliseconds: Self.pingMilliseconds)
        call(record.peer, at: addresses, .ping, for: .contact, until: deadline, lane: lane)
        return true
    }
}
