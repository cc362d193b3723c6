extension RoutingTable {
    /// Every promise of the table that does not hold: empty unless the code is wrong. Tests and `check` commands call
    /// it; debug builds check the touched buckets after every change.
    ///
    /// - Complexity: O(contacts)
    public func invariantViolations() -> [InvariantViolation] {
        var violations: [InvariantViolation] = []
        if buckets.isEmpty || buckets.count > configuration.keyBits { violations.append(.bucketCount(buckets.count)) }
        for index in buckets.indices { violations += invariantViolations(inBucket: index) }

        let live = buckets.flatMap(\.live)
        if live.count != count { violations.append(.liveCount(recorded: count, actual: live.count)) }
        return violations + diversityViolations(live)
    }

    /// What is wrong with one bucket, taken for itself.
    ///
    /// - Complexity: O(k)
    func invariantViolations(inBucket index: Int) -> [InvariantViolation] {
        let bucket = buckets[index]
        var violations: [InvariantViolation] = []
        var keys: Set<Key> = []
        keys.reserveCapacity(bucket.live.count + bucket.replacements.count)

        for list in [bucket.live, bucket.replacements] {
            var previous: Instant?
            for contact in list {
                let length = localKey.commonPrefixLength(with: contact.key)
                if contact.key == localKey { violations.append(.ownKey(bucket: index)) }
                if !isInKeySpace(contact.key) { violations.append(.outsideKeySpace(contact.key, bucket: index)) }
                if min(length, buckets.count - 1) != index {
                    violations.append(.wrongBucket(contact.key, bucket: index, commonPrefixLength: length))
                }
                if !keys.insert(contact.key).inserted { violations.append(.duplicate(contact.key, bucket: index)) }
                if let previous, contact.lastSeen < previous { violations.append(.order(contact.key, bucket: index)) }
                previous = contact.lastSeen
            }
        }
        if bucket.live.count > configuration.k {
            violations.append(.tooManyLive(bucket: index, count: bucket.live.count))
        }
        if bucket.replacements.count > configuration.replacementCacheSize {
            violations.append(.tooManyReplacements(bucket: index, count: bucket.replacements.count))
        }
        if let limits = configuration.limits {
            for (group, count) in Self.countByGroup(bucket.live) where count > limits.perBucket {
                violations.append(.bucketLimit(group, bucket: index, count: count))
            }
        }
        return violations
    }

    private func diversityViolations(_ live: [Contact]) -> [InvariantViolation] {
        guard let limits = configuration.limits else {
            return diversity.members.map { .diversity($0.key, recorded: $0.value.count, actual: 0) }
        }
        var violations: [InvariantViolation] = []
        var unmatched = diversity.members
        for (group, count) in Self.countByGroup(live) {
            if count > limits.perTable { violations.append(.tableLimit(group, count: count)) }
            let actual = Set(live.lazy.filter { $0.networkGroup == group }.map(\.key))
            let recorded = unmatched.removeValue(forKey: group) ?? []
            if recorded != actual {
                let matching = recorded.intersection(actual).count
                violations.append(.diversity(group, recorded: matching, actual: actual.count))
            }
        }
        for (group, recorded) in unmatched {
            violations.append(.diversity(group, recorded: recorded.count, actual: 0))
        }
        return violations
    }

    private static func countByGroup(_ contacts: [Contact]) -> [NetworkGroup: Int] {
        contacts.reduce(into: [:]) { counts, contact in
            if let group = contact.networkGroup { counts[group, default: 0] += 1 }
        }
    }

    /// Checks the touched buckets in debug builds; compiled away otherwise. A key belongs to one bucket, so a check
    /// bucket by bucket also finds keys that occur twice in the table.
    func checkInDebug(buckets touched: [Int]) {
        assert(
            touched.allSatisfy { invariantViolations(inBucket: $0).isEmpty },
            "\(touched.flatMap { invariantViolations(inBucket: $0) })")
    }
}
