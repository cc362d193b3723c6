import KadEngine
import KadStore
import Kademlia
import Logging

/// What getting, putting and providing have in common.
extension KadNode {
    /// The time that stamps are made of.
    var now: Instant { engine.instant(at: time.now) }

    /// How old a stamp is; nil when it is of the future.
    func age(of stamp: Instant) -> Int64? {
        let age = now.millisecondsSince(stamp)
        return age < 0 ? nil : age
    }

    /// The stamp of what is our own and was not told yet: it is due.
    var unpublished: Instant {
        now.advanced(byMilliseconds: -engine.configuration.publishing.intervalMilliseconds)
    }

    /// The place of a value or of something provided: the hash of its key, whatever the network makes of its ids.
    func contentTarget(_ key: [UInt8]) -> LookupTarget {
        LookupTarget(key: store.network.target(hashing: key), preimage: key)
    }

    func checkLength(of key: [UInt8]) throws(ContentError) {
        guard (1...StoredValue.maximumKeyBytes).contains(key.count) else { throw .badKey(bytes: key.count) }
    }

    /// Runs a lookup until its end, or until somebody has seen enough.
    ///
    /// - Parameter isEnough: told each event.
    /// - Returns: whether the lookup came to its end.
    @discardableResult
    func follow(
        _ target: LookupTarget, asking subject: LookupSubject, _ isEnough: (LookupEvent) -> Bool
    ) async throws -> Bool {
        for await event in lookup(target, options: LookupOptions(asking: subject)) {
            if case .finished(let reason, _, _) = event {
                guard reason != .cancelled else { break }
                return true
            }
            // Leaving the loop cancels what is left of the lookup.
            if isEnough(event) { return false }
        }
        throw CancellationError()
    }

    /// Sends a request to the peers nearest to a target.
    func spread(_ request: Request, to target: LookupTarget) async throws -> PutReport {
        let nearest = try await closest(to: target)
        let report = await tell(request, to: nearest.map(\.peer))
        guard !Task.isCancelled, phase != .stopped else { throw CancellationError() }
        return report
    }

    /// Sends a request to each of the peers, some at a time.
    func tell(_ request: Request, to peers: [Peer]) async -> PutReport {
        var report = PutReport()
        await withTaskGroup(of: (Peer, FailureClass?).self) { group in
            var rest = peers[...]
            func next() {
                guard let peer = rest.popFirst() else { return }
                group.addTask {
                    do throws(TransportError) {
                        _ = try await self.ask(request, of: peer.id)
                        return (peer, nil)
                    } catch {
                        return (peer, error.failureClass)
                    }
                }
            }
            for _ in 0..<max(1, content.concurrency) { next() }
            for await (peer, failure) in group {
                if let failure {
                    report.failed.append(PutReport.Failure(peer: peer, failureClass: failure))
                } else {
                    report.accepted.append(peer)
                }
                next()
            }
        }
        return report
    }

    /// Tells the engine that something is being published, and when that is over, however it ends.
    func publishing(
        _ publication: Publication, _ body: () async throws -> PutReport
    ) async throws -> PutReport {
        guard phase != .stopped else { throw CancellationError() }
        perform(engine.publishes(publication, at: time.now))
        defer { if phase != .stopped { perform(engine.published(publication, at: time.now)) } }
        return try await body()
    }

    /// What the engine found due: it is told again, if it still is our own.
    func publishAgain(_ publication: Publication) {
        runErrand { node in
            do {
                switch publication {
                case .value(let key):
                    if let kept = try node.keptValue(key), kept.isOwn {
                        _ = try await node.publish(kept.value, of: key)
                    }
                case .provider(let key):
                    if try node.isProviding(key) { _ = try await node.announce(key) }
                }
            } catch let error as StoreError {
                node.storeFailed(error)
            } catch {
                // Cancelled with the node.
            }
            guard node.phase != .stopped else { return }
            node.perform(node.engine.published(publication, at: node.time.now))
        }
    }

    /// Something that nobody waits for; it ends with the node.
    func runErrand(_ body: @escaping @Sendable (isolated KadNode) async -> Void) {
        guard phase != .stopped else { return }
        lastErrand += 1
        let number = lastErrand
        errands[number] = Task {
            await body(self)
            self.errands[number] = nil
        }
    }

    /// A peer sent something that breaks a rule.
    func refuse(_ fault: ReplyFault, of peer: Peer) {
        guard phase != .stopped else { return }
        perform(engine.refuse(fault, of: peer, at: time.now))
    }
}
