extension RoutingTable {
    /// The live contacts that are in doubt at `now`: bucket by bucket, the least recently seen first.
    ///
    /// After ``markAllUnverified()`` that is all of them; the shell paces its questions.
    /// - Complexity: O(live contacts)
    public func questionable(at now: Instant) -> [Contact] {
        buckets.flatMap { bucket in
            bucket.live.filter { $0.isQuestionable(at: now, silentFor: configuration.stalenessMilliseconds) }
        }
    }

    /// The buckets whose range was not looked up for ``Configuration/refreshMilliseconds``, in ascending order. One that
    /// never was, or that is dated in the future, is due.
    /// - Complexity: O(buckets)
    public func bucketsToRefresh(at now: Instant) -> [Int] {
        buckets.indices.filter { index in
            guard let refreshedAt = buckets[index].refreshedAt else { return true }
            let age = now.millisecondsSince(refreshedAt)
            return age < 0 || age >= configuration.refreshMilliseconds
        }
    }

    /// A lookup in the range of this bucket ended. An index that no bucket has changes nothing: the table may have been
    /// restored since the lookup began.
    public mutating func refreshed(bucket index: Int, at now: Instant) -> [Directive] {
        guard buckets.indices.contains(index), buckets[index].refreshedAt != now else { return [] }
        buckets[index].refreshedAt = now
        return [.changed(bucket: index)]
    }

    /// Forgets who answered since the start: what follows a restore, since none of them did in this life.
    ///
    /// Nobody leaves, nobody moves. ``Contact/lastOK`` stays, so those that once answered rank above names.
    public mutating func markAllUnverified() {
        for index in buckets.indices {
            for place in buckets[index].live.indices { buckets[index].live[place].isVerified = false }
            for place in buckets[index].replacements.indices { buckets[index].replacements[place].isVerified = false }
        }
    }
}
