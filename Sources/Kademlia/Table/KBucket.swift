/// A k-bucket (Kademlia 2002, section 2.2): live contacts, and the contacts that wait for their places (section 4.1).
///
/// Both lists are ordered by ``Contact/lastSeen``, the least recently seen first; of two seen at one instant the one
/// that was placed later stands later. Sizes are bounded by the table's configuration.
public struct KBucket: Hashable, Sendable {
    /// The contacts that lookups use, the least recently seen first.
    public internal(set) var live: [Contact] = []

    /// The replacement cache: contacts that found the bucket full, the most recently seen last.
    public internal(set) var replacements: [Contact] = []

    /// When the bucket's range was last looked up; nil when it never was.
    public internal(set) var refreshedAt: Instant?

    /// The place of a live contact. - Complexity: O(k)
    func liveIndex(of key: Key) -> Int? { live.firstIndex { $0.key == key } }

    /// The place of a waiting contact. - Complexity: O(replacement cache)
    func replacementIndex(of key: Key) -> Int? { replacements.firstIndex { $0.key == key } }

    /// How many live contacts belong to `group`. - Complexity: O(k)
    func liveCount(in group: NetworkGroup) -> Int {
        live.reduce(0) { $1.networkGroup == group ? $0 + 1 : $0 }
    }

    /// Puts a contact into its place by the time it was last seen. Events come in order of time, so this is nearly
    /// always an append; a promoted contact or a clock that was set back is what moves farther.
    static func insert(_ contact: Contact, into list: inout [Contact]) {
        var index = list.count
        while index > 0, contact.lastSeen < list[index - 1].lastSeen { index -= 1 }
        list.insert(contact, at: index)
    }

    /// The contact to ask when a newcomer finds the bucket full: of those in doubt, the least recently seen. The longer
    /// a contact has been up, the longer it will stay (Kademlia, section 2.2): one that is not in doubt is not asked.
    func leastRecentlySeenQuestionable(at now: Instant, silentFor threshold: Int64) -> Contact? {
        live.first { $0.isQuestionable(at: now, silentFor: threshold) }
    }

    /// Takes the newcomer into the replacement cache. A full one gives up its contact of the lowest standing, the least
    /// recently seen first, unless that is above the newcomer's: names made up by others cannot flush proven peers.
    ///
    /// - Returns: whether it was taken, and who had to go.
    mutating func cache(_ newcomer: Contact, capacity: Int) -> (isCached: Bool, dropped: Key?) {
        if replacements.count < capacity {
            Self.insert(newcomer, into: &replacements)
            return (true, nil)
        }
        // `min` returns the first of equals: the least recently seen.
        let weakest = replacements.indices.min { replacements[$0].standing < replacements[$1].standing }
        guard let weakest, replacements[weakest].standing <= newcomer.standing else { return (false, nil) }
        let dropped = replacements.remove(at: weakest).key
        Self.insert(newcomer, into: &replacements)
        return (true, dropped)
    }

    /// Moves everything that `belongsDeeper` to a new bucket, in order.
    mutating func splitOff(where belongsDeeper: (Contact) -> Bool) -> KBucket {
        var deeper = KBucket()
        deeper.refreshedAt = refreshedAt
        deeper.live = live.filter(belongsDeeper)
        deeper.replacements = replacements.filter(belongsDeeper)
        live.removeAll(where: belongsDeeper)
        replacements.removeAll(where: belongsDeeper)
        return deeper
    }
}
