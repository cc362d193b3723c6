import KadEngine
import KadStore
import Kademlia

extension KadNode {
    /// The value of a key: one's own copy where it is fresh, and otherwise the best that a lookup finds. Peers near the key that
    /// have an older one, or none, are told of it afterwards.
    ///
    /// - Parameters:
    ///   - key: `/namespace/…`.
    ///   - quorum: how many peers' valid values are enough; 0 or less: all that the lookup finds. With more than 1, one's own copy
    ///     is not enough.
    /// - Returns: nil when nobody who was reached has a valid value.
    /// - Throws: ``ContentError/refused(_:)`` for a namespace that has no validator, ``StoreError``, and `CancellationError` when
    ///   the task was cancelled or the node has ended.
    public func get(key: [UInt8], quorum: Int = 0) async throws -> [UInt8]? {
        try checkKey(key)
        let target = contentTarget(key)
        let known = try keptValue(key)
        if quorum <= 1, let known, let age = age(of: known.receivedAt), age < content.freshMilliseconds {
            return known.value
        }
        var search = ValueSearch(key: key, target: target.key, known: known?.value, validators: validators)
        let isWhole = try await follow(target, asking: .value) { event in
            switch event {
            case .answered(let peer, _, _): search.answered(peer)
            case .found(let peer, .value(let value)):
                do throws(RecordFault) {
                    try search.found(value, by: peer, at: now)
                } catch {
                    metrics.refusedValue()
                    if error.speaksAgainstSender { refuse(.invalidValue, of: peer) }
                }
                return quorum > 0 && search.count >= quorum
            default: break
            }
            return false
        }
        // While the lookup ran, others may have sent a newer one, or the caller may have put it.
        let kept = try keptValue(key)
        if let kept { search.know(kept.value) }
        guard let best = search.best else { return nil }
        if let kept, kept.value != best { try keep(best, of: key) }
        correct(search, best, isWhole: isWhole)
        return best
    }

    /// Publishes a value: it is kept as one's own, sent to the peers nearest to its key, and from then on sent again before they
    /// forget it, by this or a later life of the node, until ``withdraw(key:)``. That nobody could be told does not undo it, nor
    /// does a cancellation: it is told when somebody can be.
    ///
    /// - Throws: ``ContentError``, ``StoreError``, and `CancellationError` when the task was cancelled or the node has ended.
    public func put(key: [UInt8], value: [UInt8]) async throws -> PutReport {
        try checkKey(key)
        guard value.count <= StoredValue.maximumValueBytes else {
            throw ContentError.tooLarge(bytes: value.count, limit: StoredValue.maximumValueBytes)
        }
        do throws(RecordFault) {
            try validators.validate(key: key, value: value, at: now)
        } catch {
            throw ContentError.refused(error)
        }
        if let kept = try keptValue(key), !mayReplace(kept.value, with: value, of: key) { throw ContentError.outdated }
        try store.record(.valueStored(ownValue(key, value, isPublished: false)))
        return try await publishing(.value(key: key)) { try await self.publish(value, of: key) }
    }

    /// No longer publishes a value. Peers forget it in their time.
    public func withdraw(key: [UInt8]) throws(StoreError) {
        guard try store.value(key, at: now)?.isOwn == true else { return }
        try store.record(.valueForgotten(key))
    }

    /// Sends a value of one's own to the peers nearest to its key.
    func publish(_ value: [UInt8], of key: [UInt8]) async throws -> PutReport {
        let report = try await spread(.putValue(key: key, value: value), to: contentTarget(key))
        metrics.published("value", report)
        // It may have been withdrawn or replaced meanwhile.
        guard !report.accepted.isEmpty, phase != .stopped, let kept = try store.value(key, at: now), kept.isOwn,
            kept.value == value
        else { return report }
        try store.record(.valueStored(ownValue(key, value, isPublished: true)))
        return report
    }

    private func ownValue(_ key: [UInt8], _ value: [UInt8], isPublished: Bool) -> StoredValue {
        StoredValue(
            key: key, value: value, receivedAt: isPublished ? now : unpublished,
            expiresAt: now.advanced(byMilliseconds: content.valueMilliseconds), isOwn: true)
    }

    // MARK: What is kept

    /// The value that is kept of a key, where it still may stand there.
    func keptValue(_ key: [UInt8]) throws(StoreError) -> StoredValue? {
        guard let kept = try store.value(key, at: now) else { return nil }
        do throws(RecordFault) {
            try validators.validate(key: key, value: kept.value, at: now)
            return kept
        } catch {
            return nil
        }
    }

    /// Whether a valid value may take the place of another: it is the same, or the other one does not count more.
    func mayReplace(_ kept: [UInt8], with value: [UInt8], of key: [UInt8]) -> Bool {
        value == kept || validators.select(key: key, among: [value, kept]) == 0
    }

    /// The same for one that others sent: what is our own gives way only to what counts more.
    func mayReplace(_ kept: StoredValue, with value: [UInt8]) -> Bool {
        guard kept.isOwn, kept.value != value else { return mayReplace(kept.value, with: value, of: kept.key) }
        return validators.select(key: kept.key, among: [kept.value, value]) == 1
    }

    /// Keeps a valid value that others sent, for as long as such are kept. Where it takes the place of our own, somebody has
    /// published a better one elsewhere, or ours has run out: it is not told any more.
    func keep(_ value: [UInt8], of key: [UInt8]) throws(StoreError) {
        if let kept = try store.value(key, at: now), kept.isOwn {
            guard kept.value != value else { return }
            try store.record(.valueForgotten(key))
        }
        try store.record(
            .valueStored(
                StoredValue(
                    key: key, value: value, receivedAt: now,
                    expiresAt: now.advanced(byMilliseconds: content.valueMilliseconds))))
    }

    // MARK: Those who have an older one

    /// Tells the peers nearest to the key of the value that counts, unless they have it. Whoever got it does not wait for that.
    private func correct(_ search: ValueSearch, _ value: [UInt8], isWhole: Bool) {
        let lacking = search.lacking(among: correctedCount, isWhole: isWhole)
        guard !lacking.isEmpty, errands.count < Self.maximumErrands else { return }
        runErrand { node in
            let report = await node.tell(.putValue(key: search.key, value: value), to: lacking)
            node.metrics.published("correction", report)
        }
    }

    /// Errands under way beyond which no more corrections begin: a favour to others must not pile up.
    private static let maximumErrands = 32

    /// Those that a put goes to.
    private var correctedCount: Int { engine.configuration.lookup.k }

    private func checkKey(_ key: [UInt8]) throws(ContentError) {
        try checkLength(of: key)
        guard validators.accept(key) else { throw .refused(.unknownNamespace(RecordValidators.name(of: key))) }
    }
}
