/// Who gets a place: the rules that updates share.
extension RoutingTable {
    /// Where a contact was before the call; it has been taken out of there.
    enum Origin {
        case outside, cache, live
    }

    /// Finds a place for a contact: live, waiting, or none.
    ///
    /// Plans first, evicts then: nobody leaves for a newcomer that ends up waiting.
    mutating func place(_ contact: Contact, from origin: Origin, at now: Instant, _ log: inout DirectiveLog) {
        let index = splitUntilRoom(for: contact.key, &log)
        var leaving: [Key] = []
        if let refusal = diversity.refusal(of: contact.networkGroup, in: buckets[index]) {
            guard let yielding = yieldingContact(to: contact, in: index, under: refusal) else {
                refuse(contact, from: origin, refusal, in: index, &log)
                return
            }
            leaving.append(yielding)
        }
        let isFull = buckets[index].live.count >= configuration.k
        if isFull, !leaving.contains(where: { buckets[index].liveIndex(of: $0) != nil }) {
            guard let yielding = buckets[index].live.first(where: { doesYield($0, to: contact) }) else {
                wait(contact, from: origin, in: index, at: now, &log)
                return
            }
            leaving.append(yielding.key)
        }

        for key in leaving {
            let home = bucketIndex(of: key)
            guard let place = buckets[home].liveIndex(of: key) else { continue }
            removeLive(at: place, in: home)
            log.touch(home)
            log.append(.evicted(key, replacedBy: contact.key))
        }
        insertLive(contact, in: index)
        log.touch(index)
        if origin != .live { log.append(.inserted(contact.key, bucket: index)) }
        // Only now: a contact that waits elsewhere must not take the share that was freed for this one.
        for key in leaving { fillFromReplacements(bucketIndex(of: key), &log) }
    }

    /// Whether a contact has failed so often that anyone may take its place, and it nobody's.
    func isBeyondHope(_ contact: Contact) -> Bool { contact.consecutiveFailures >= configuration.maximumFailures }

    /// Whether a live contact makes way for this newcomer. Age wins (Kademlia, section 2.2) except over proof: a name makes
    /// way for who answered, and so does one of an earlier life that has failed in this one. After hours switched off half
    /// of a table may be gone, and it should not take each of them two failures to leave.
    func doesYield(_ contact: Contact, to newcomer: Contact) -> Bool {
        if isBeyondHope(contact) { return true }
        guard newcomer.standing == .verified else { return false }
        return switch contact.standing {
        case .unproven: true
        case .answeredBefore: contact.consecutiveFailures > 0
        case .verified: false
        }
    }

    /// The contact of the newcomer's own group that makes way for it when the group's share is used up, the one in the
    /// same bucket first: made-up names must not use up the share of the peers that answer.
    ///
    /// - Complexity: O(``DiversityLimits/perTable`` * k)
    private func yieldingContact(to newcomer: Contact, in index: Int, under refusal: Refusal) -> Key? {
        guard let group = newcomer.networkGroup else { return nil }
        let near = buckets[index].live.first { $0.networkGroup == group && doesYield($0, to: newcomer) }
        if let near { return near.key }
        guard case .tableLimit = refusal else { return nil }
        return diversity.keys(in: group).first { key in
            liveContact(key).map { doesYield($0, to: newcomer) } ?? false
        }
    }

    /// A contact that the limits keep out of the live table. The limits do not bind the replacement cache, so one that
    /// waited goes on waiting; nobody is taken to wait for a share that is not free.
    private mutating func refuse(
        _ contact: Contact, from origin: Origin, _ refusal: Refusal, in index: Int, _ log: inout DirectiveLog
    ) {
        switch origin {
        case .outside:
            log.append(.refused(contact.key, refusal))
        case .cache:
            KBucket.insert(contact, into: &buckets[index].replacements)
        case .live:
            log.append(.evicted(contact.key, replacedBy: promotable(in: index)?.key))
            log.append(.refused(contact.key, refusal))
            fillFromReplacements(index, &log)
        }
    }

    /// The bucket is full: the contact waits, and the live contact that is most likely gone is asked.
    private mutating func wait(
        _ contact: Contact, from origin: Origin, in index: Int, at now: Instant, _ log: inout DirectiveLog
    ) {
        let (isCached, dropped) = buckets[index].cache(contact, capacity: configuration.replacementCacheSize)
        if isCached { log.touch(index) }
        if let dropped { log.append(.dropped(dropped)) }
        switch (isCached, origin) {
        case (true, .outside): log.append(.cached(contact.key, bucket: index))
        case (false, .outside): log.append(.refused(contact.key, .cacheFull))
        case (false, _): log.append(.dropped(contact.key))
        case (true, _): break
        }
        let doubtful = buckets[index].leastRecentlySeenQuestionable(
            at: now, silentFor: configuration.stalenessMilliseconds)
        if let doubtful { log.append(.ping(doubtful.key)) }
    }

    /// The waiting contact that is next to become live: the highest standing, then the most recently seen, of those that
    /// the limits admit.
    ///
    /// - Parameter leaving: a live contact of the bucket that is about to make way.
    func promotable(in index: Int, leaving: Contact? = nil) -> Contact? {
        var best: Contact?
        for contact in buckets[index].replacements.reversed() {
            if let best, contact.standing <= best.standing { continue }
            if isBeyondHope(contact) { continue }
            if diversity.refusal(of: contact.networkGroup, in: buckets[index], leaving: leaving) == nil {
                best = contact
            }
        }
        return best
    }

    /// Promotes waiting contacts into the room that the bucket has.
    mutating func fillFromReplacements(_ index: Int, _ log: inout DirectiveLog) {
        while buckets[index].live.count < configuration.k, let contact = promotable(in: index),
            let place = buckets[index].replacementIndex(of: contact.key)
        {
            buckets[index].replacements.remove(at: place)
            insertLive(contact, in: index)
            log.touch(index)
            log.append(.inserted(contact.key, bucket: index))
        }
    }

    /// Splits the last bucket while it is full and the key belongs to it, and returns the key's bucket.
    ///
    /// - Complexity: O(k) for each split, at most ``Configuration/keyBits`` of them in the life of a table.
    private mutating func splitUntilRoom(for key: Key, _ log: inout DirectiveLog) -> Int {
        while true {
            let last = buckets.count - 1
            let isDue = buckets[last].live.count >= configuration.k && buckets.count < configuration.keyBits
            guard bucketIndex(of: key) == last, isDue else { return bucketIndex(of: key) }
            let local = localKey
            buckets.append(buckets[last].splitOff { local.commonPrefixLength(with: $0.key) > last })
            for half in [last, last + 1] {
                log.touch(half)
                fillFromReplacements(half, &log)
            }
        }
    }

    mutating func insertLive(_ contact: Contact, in index: Int) {
        KBucket.insert(contact, into: &buckets[index].live)
        diversity.insert(contact)
        count += 1
    }

    mutating func removeLive(at place: Int, in index: Int) {
        diversity.remove(buckets[index].live.remove(at: place))
        count -= 1
    }
}
