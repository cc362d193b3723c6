extension RoutingTable {
    /// Another peer named this one. It becomes an unverified contact if there is room, and waits otherwise; what is said
    /// of a contact that is live already changes nothing, or a flood of names would keep dead contacts fresh.
    ///
    /// - Parameter group: the network group of the address it was named with.
    public mutating func heard(of key: Key, in group: NetworkGroup?, at now: Instant) -> [Directive] {
        handle(key, in: group, at: now) { _ in }
    }

    /// The peer sent a request: it lives, but whether it can be reached, and on UDP whether it is who it says, is open.
    /// It is the most recently seen now; neither its verification, its failures nor its network group change.
    public mutating func heard(from key: Key, in group: NetworkGroup?, at now: Instant) -> [Directive] {
        handle(key, in: group, at: now) { $0.lastSeen = now }
    }

    /// The peer answered a request of ours from an address of this network group: it is verified, its failures are
    /// forgotten, it is the most recently seen. A contact whose group changed must fit the limits anew, and leaves when
    /// it does not.
    public mutating func answered(_ key: Key, from group: NetworkGroup?, at now: Instant) -> [Directive] {
        handle(key, in: group, at: now) { $0.recordAnswer(from: group, at: now) }
    }

    /// A request to the peer failed, and the failure counts against it: not the local machine's, not the uplink's, not
    /// a cancelled one. At ``Configuration/maximumFailures`` in a row a waiting contact takes its place; without one, it
    /// stays if it ever answered. One that has not answered since the start gives its place to one that has at once.
    public mutating func failed(_ key: Key) -> [Directive] {
        var log = DirectiveLog()
        let index = bucketIndex(of: key)
        if let place = buckets[index].liveIndex(of: key) {
            buckets[index].live[place].recordFailure()
            log.touch(index)
            let contact = buckets[index].live[place]
            let replacement = promotable(in: index, leaving: contact)
            let yields = replacement.map { doesYield(contact, to: $0) } ?? false
            if yields || (isBeyondHope(contact) && contact.standing == .unproven) {
                removeLive(at: place, in: index)
                log.append(.evicted(key, replacedBy: replacement?.key))
                fillFromReplacements(index, &log)
            }
        } else if let place = buckets[index].replacementIndex(of: key) {
            buckets[index].replacements[place].recordFailure()
            log.touch(index)
            if isBeyondHope(buckets[index].replacements[place]) {
                buckets[index].replacements.remove(at: place)
                log.append(.dropped(key))
            }
        }
        return finish(log)
    }

    /// Removes the contact, live or waiting: it was banned, or said that it leaves. A waiting one takes its place.
    public mutating func remove(_ key: Key) -> [Directive] {
        var log = DirectiveLog()
        let index = bucketIndex(of: key)
        if let place = buckets[index].liveIndex(of: key) {
            let contact = buckets[index].live[place]
            let replacement = promotable(in: index, leaving: contact)
            removeLive(at: place, in: index)
            log.touch(index)
            log.append(.evicted(key, replacedBy: replacement?.key))
            fillFromReplacements(index, &log)
        } else if let place = buckets[index].replacementIndex(of: key) {
            buckets[index].replacements.remove(at: place)
            log.touch(index)
            log.append(.dropped(key))
        }
        return finish(log)
    }
}

extension RoutingTable {
    /// The common way of all that is heard: find the contact or make it, change it, and let it find its place.
    private mutating func handle(
        _ key: Key, in group: NetworkGroup?, at now: Instant, _ update: (inout Contact) -> Void
    ) -> [Directive] {
        if key == localKey { return [.refused(key, .ownKey)] }
        if !isInKeySpace(key) { return [.refused(key, .outsideKeySpace)] }

        var log = DirectiveLog()
        let index = bucketIndex(of: key)
        if let position = buckets[index].liveIndex(of: key) {
            var contact = buckets[index].live[position]
            update(&contact)
            guard contact != buckets[index].live[position] else { return [] }
            log.touch(index)
            if contact.networkGroup == buckets[index].live[position].networkGroup {
                buckets[index].live.remove(at: position)
                KBucket.insert(contact, into: &buckets[index].live)
            } else {
                removeLive(at: position, in: index)
                place(contact, from: .live, at: now, &log)
            }
        } else if let position = buckets[index].replacementIndex(of: key) {
            var contact = buckets[index].replacements.remove(at: position)
            update(&contact)
            log.touch(index)
            place(contact, from: .cache, at: now, &log)
        } else {
            var contact = Contact(key: key, networkGroup: group, metAt: now)
            update(&contact)
            place(contact, from: .outside, at: now, &log)
        }
        return finish(log)
    }

    func finish(_ log: DirectiveLog) -> [Directive] {
        checkInDebug(buckets: log.touchedBuckets)
        return log.directives
    }
}
