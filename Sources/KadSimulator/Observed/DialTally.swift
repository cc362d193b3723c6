import KadEngine
import Kademlia

/// What an observed node did to others, against what the simulator knows of them.
struct DialTally {
    var dials = 0
    /// Dials to peers that were dead.
    var deadDials = 0
    /// Dials and answers that a dead uplink swallowed, of peers that were up: what a node that counts every failure at
    /// once would have charged them with.
    var swallowed = 0
    /// Failures that were counted against a peer that was up at that moment.
    var wrongCharges = 0
    /// Failures that were counted against a dead one.
    var rightCharges = 0
    /// Who was dialled while it was up, and how many failures were counted against it then, without regard to answers in
    /// between: no streak is longer.
    private(set) var live: [Key: Int] = [:]
    /// Who was dialled while it was dead, and how many failures were counted against it then.
    private(set) var dead: [Key: Int] = [:]
    /// Failures that were taken back.
    var discarded = 0
    /// Rows that were dropped from the store.
    var dropped = 0
    var warmStartsFinished = 0

    mutating func dialled(_ key: Key, isLive: Bool) {
        dials += 1
        if isLive {
            live[key, default: 0] += 0
        } else {
            deadDials += 1
            dead[key, default: 0] += 0
        }
    }

    mutating func add(_ note: Note, isLive: (Key) -> Bool) {
        switch note {
        case .failureCounted(let peer, _):
            if isLive(peer.key) {
                wrongCharges += 1
                live[peer.key, default: 0] += 1
            } else {
                rightCharges += 1
                dead[peer.key, default: 0] += 1
            }
        case .failuresDiscarded(let count): discarded += count
        case .dropped(let count): dropped += count
        case .warmStartFinished: warmStartsFinished += 1
        case .badReply, .storeFailed, .storeRecovered: break
        }
    }
}
