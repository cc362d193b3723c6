import KadStore
import Kademlia

/// Which peers were asked lately before their wait was over: bounded, two generations.
struct EarlyTrials {
    private static let limit = 2_048
    /// A peer that comes and goes gets no more than one for such a time: ten minutes, in milliseconds.
    static let spacing: Int64 = 600_000
    private var young: [Key: Uptime] = [:]
    private var old: [Key: Uptime] = [:]

    /// Whether a peer may have one now, and counts it if so.
    mutating func takes(_ key: Key, at now: Uptime) -> Bool {
        if let last = young[key] ?? old[key], now.millisecondsSince(last) < Self.spacing { return false }
        if young.count >= Self.limit {
            old = young
            young = [:]
        }
        young[key] = now
        return true
    }
}

extension NodeEngine {
    /// A peer that waits for its backoff to end came by itself, with a connection that it has authenticated: it has restarted.
    /// It is asked at once, over that connection; whatever comes of it counts as ever. Only its own word earns this, and
    /// misbehaviour is served to the end: no restart shortens what it costs.
    func tryEarly(_ peer: Peer) {
        guard configuration.maintains, configuration.usesHistory, !calls.isAsking(contact: peer.key),
            let record = recall(peer.key), let backoff = current(record), !backoff.lastClass.isMisbehaviour
        else { return }
        switch backoff.dialVerdict(at: now, policy: configuration.failures) {
        case .waiting, .breakerOpen: break
        case .allowed, .trial, .trialUnderWay: return
        }
        let addresses = dialable(record)
        guard !addresses.isEmpty, earlyTrials.takes(peer.key, at: uptime) else { return }
        askContact(record, at: addresses)
    }
}
