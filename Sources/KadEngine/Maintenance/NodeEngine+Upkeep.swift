import KadStore
import Kademlia
import Multiformats

extension NodeEngine {
    /// Begins refreshing and revalidating: once the warm start is over, which asks everybody anyway.
    func beginUpkeep() {
        guard upkeep.refresh == nil else { return }
        let ages = table.buckets.map { bucket in bucket.refreshedAt.map { now.millisecondsSince($0) } }
        upkeep.refresh = RefreshSchedule(
            ages: ages, configuration: configuration.refresh, at: uptime, using: &generator)
        upkeep.revalidation = Revalidation(
            configuration: configuration.revalidation, at: uptime, using: &generator)
        resumePublishing()
    }

    func tickUpkeep() {
        if upkeep.isMarkDue(at: uptime) {
            recordTime()
            if configuration.maintains, !isLinkDown { relievePanic() }
        }
        if upkeep.isRecordDue(at: uptime) { recordState(isFinal: false) }
        guard configuration.maintains, !isLinkDown else { return }
        tickRefresh()
        tickRevalidation()
        tickSweep()
        tickPublishing()
    }

    // MARK: What only memory holds

    /// Buckets, witnesses and, at the end of a life or before a flush, the mark of time.
    func recordState(isFinal: Bool) {
        if configuration.isGuest {
            upkeep.changedBuckets = []
            upkeep.witnessesChanged = false
        }
        for index in upkeep.changedBuckets.sorted() {
            guard let snapshot = table.snapshot(ofBucket: index) else {
                upkeep.changedBuckets.remove(index)
                continue
            }
            // What the store cannot take now is told again: nothing else would before the bucket changes.
            if remember(.bucket(snapshot, identity: identity.number), isKept: true) {
                upkeep.changedBuckets.remove(index)
            }
        }
        if upkeep.witnessesChanged,
            remember(.witnesses(outage.witnesses, canaryAt: outage.canaryAt), isKept: true)
        {
            upkeep.witnessesChanged = false
        }
        upkeep.recorded(at: uptime)
        if isFinal { recordTime() }
    }

    private func recordTime() {
        let isTaken = remember(.clock(clock.mark(at: uptime)))
        let session = upkeep.session(until: now, at: uptime)
        remember(.online(from: session.start, to: session.end))
        upkeep.marked(at: uptime)
        upkeep.health.marked(isTaken: isTaken, commitFault: store.commitFault, &actions)
        noticeForeignCommits()
    }

    /// What another process has changed: a failure that it forgave must not be counted later, and what it published is to be
    /// told again.
    private func noticeForeignCommits() {
        guard configuration.usesHistory, upkeep.sweep.foreignCommits(of: store) else { return }
        // A command beside this node may have published something.
        if upkeep.refresh != nil { resumePublishing() }
        do {
            let stored = Set(try store.heldFailures().map(\.key))
            for held in outage.held where !stored.contains(held.key) { outage.forget(held.key) }
        } catch {
            upkeep.health.failed(error, &actions)
        }
    }

    // MARK: Refresh and revalidation

    private func tickRefresh() {
        guard
            let subject = upkeep.refresh?.poll(bucketCount: table.buckets.count, at: uptime, using: &generator)
        else { return }
        switch subject {
        case .ownKey:
            // A node that started without a network asked its bootstrap peers in vain.
            if !table.buckets.contains(where: { $0.live.contains(where: \.isVerified) }) { askForBootstrap() }
            beginLookup(LookupTarget(identity.peer), configuration.lookup, for: .table(bucket: nil))
        case .bucket(let index):
            guard let target = refreshTarget(ofBucket: index) else {
                upkeep.refresh?.failed(subject, at: uptime)
                return
            }
            beginLookup(target, configuration.lookup, for: .table(bucket: index))
        }
    }

    /// Asks for bootstrap peers, no more often than a refresh that failed is tried again.
    func askForBootstrap() {
        guard upkeep.mayBootstrap(at: uptime) else { return }
        actions.append(.bootstrap)
    }

    /// - Parameter isDone: it was not cancelled, and somebody answered. What nobody answered has found nobody: it is tried
    ///   again in minutes, not in an hour.
    func refreshEnded(bucket: Int?, isDone: Bool) {
        let subject = bucket.map(RefreshSchedule.Subject.bucket) ?? .ownKey
        guard isDone else {
            upkeep.refresh?.failed(subject, at: uptime)
            return
        }
        if let bucket { carryOut(table.refreshed(bucket: bucket, at: now)) }
        upkeep.refresh?.refreshed(subject, at: uptime, using: &generator)
    }

    private func refreshTarget(ofBucket index: Int) -> LookupTarget? {
        let target: RefreshTarget?
        switch store.network.derivation {
        case .identity: target = table.refreshTarget(bucket: index, using: &generator)
        case .sha256:
            let network = store.network
            target = table.refreshTarget(
                bucket: index, using: &generator, prefix: configuration.preimagePrefix
            ) { bytes in network.target(hashing: bytes) }
        }
        switch target {
        case .key(let key): return LookupTarget(key: key)
        case .preimage(let bytes, let key): return LookupTarget(key: key, preimage: bytes)
        case .lookUpSelf: return LookupTarget(identity.peer)
        case nil: return nil
        }
    }

    private func tickRevalidation() {
        // Taken out while it runs, because the question whether a contact may be asked goes through the engine.
        guard var revalidation = upkeep.revalidation, revalidation.nextTick <= uptime else { return }
        let key = revalidation.poll(table, at: uptime, wall: now, using: &generator)
        upkeep.revalidation = revalidation
        if let key { askContact(key) }
    }
}
