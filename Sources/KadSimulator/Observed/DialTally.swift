import KadEngine
import Kademlia

/// What an observed node did to others, against what the simulator knows of them.
struct DialTally {
    var dials = 0
    /// Dials to peers that were dead.
    var deadDials = 0
    /// Failures that were counted against a peer that was up at that moment.
    var wrongCharges = 0
    /// Failures that were counted against a dead one.
    var rightCharges = 0
    /// Failures that were taken back.
    var discarded = 0
    /// Rows that were dropped from the store.
    var dropped = 0
    var warmStartsFinished = 0

    mutating func dialled(isLive: Bool) {
        dials += 1
        if !isLive { deadDials += 1 }
    }

    mutating func add(_ note: Note, isLive: (Key) -> Bool) {
        switch note {
        case .failureCounted(let peer, _):
            if isLive(peer.key) { wrongCharges += 1 } else { rightCharges += 1 }
        case .failuresDiscarded(let count): discarded += count
        case .dropped(let count): dropped += count
        case .warmStartFinished: warmStartsFinished += 1
        case .badReply, .storeFailed: break
        }
    }
}
