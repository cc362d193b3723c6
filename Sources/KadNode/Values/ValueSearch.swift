import KadStore
import Kademlia

/// What a lookup for a value has found so far: the best value, who has it, and who of those that answered has not.
struct ValueSearch {
    let key: [UInt8]
    let target: Key
    private let validators: RecordValidators
    /// The value that counts. Only this one is kept: what others send may be large.
    private(set) var best: [UInt8]?
    /// Valid values that peers sent, the best or not.
    private(set) var count = 0
    private var answered: [Key: Peer] = [:]
    private var holders: Set<Key> = []
    /// Who sent a valid value, the best or not.
    private var senders: Set<Key> = []

    /// - Parameter known: a valid value that is known before.
    init(key: [UInt8], target: Key, known: [UInt8]?, validators: RecordValidators) {
        self.key = key
        self.target = target
        self.validators = validators
        best = known
    }

    /// A peer answered, with a value or without.
    mutating func answered(_ peer: Peer) { answered[peer.key] = peer }

    /// A peer that answered sent this value.
    mutating func found(_ value: [UInt8], by peer: Peer, at now: Instant) throws(RecordFault) {
        try validators.validate(key: key, value: value, at: now)
        count += 1
        senders.insert(peer.key)
        guard let best, best != value else {
            best = value
            holders.insert(peer.key)
            return
        }
        guard validators.select(key: key, among: [best, value]) == 1 else { return }
        self.best = value
        holders = [peer.key]
    }

    /// A valid value that is known otherwise: it counts unless what was found counts more.
    mutating func know(_ value: [UInt8]) {
        if let best, best == value || validators.select(key: key, among: [value, best]) == 1 { return }
        best = value
        holders = []
    }

    /// Of the peers nearest to the key that answered, those that do not have the best value.
    ///
    /// - Parameter isWhole: whether the lookup came to its end. Of those that had answered before it many are far from the key:
    ///   only who has an older value is told then.
    func lacking(among count: Int, isWhole: Bool) -> [Peer] {
        var nearest = ClosestPeers<Peer>(target: target, capacity: count)
        for peer in answered.values { nearest.offer(peer.key, peer) }
        return nearest.elements.filter { !holders.contains($0.key) && (isWhole || senders.contains($0.key)) }
    }
}
