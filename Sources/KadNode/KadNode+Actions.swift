import KadEngine
import KadStore
import Kademlia
import Logging

/// How the engine's actions are carried out.
extension KadNode {
    func perform(_ first: [Action]) {
        // One after the other: of two wakes the later one counts, also when answering an action leads to more.
        var actions = first
        var position = 0
        while position < actions.count {
            let action = actions[position]
            position += 1
            switch action {
            case .call(let id, let call):
                if calls.count + ending.count < Self.maximumCalls {
                    begin(id, call)
                } else {
                    actions += engine.completed(id, .failed(.local, address: nil), at: time.now)
                }
            case .cancel(let id):
                guard let task = calls.removeValue(forKey: id) else { continue }
                task.cancel()
                ending[id] = task
            case .event(let id, let event): tell(id, event)
            case .outcome(let id, let outcome): tell(id, outcome)
            case .publish(let publication): publishAgain(publication)
            case .sweep(let now): sweep(at: now)
            case .wake(let uptime): wake(at: uptime)
            case .bootstrap:
                guard !bootstrap.isEmpty else {
                    logger.info("few peers are known, and no bootstrap peers were named")
                    continue
                }
                logger.info("asking bootstrap peers", metadata: ["count": "\(bootstrap.count)"])
                actions += engine.introduce(bootstrap, source: "bootstrap", at: time.now)
            case .note(let note):
                metrics.note(note)
                log(note)
                if case .warmStartFinished = note { warmth.end(isWarm: true) }
            }
        }
        metrics.state(inFlight: calls.count + ending.count, contacts: engine.table.count)
    }

    /// Calls whose transports have not returned. A transport that does not heed its cancellation must not take the process's
    /// memory: beyond this, new calls fail as our own fault, which charges nobody and slows the node down.
    static let maximumCalls = 1_024

    private func begin(_ id: CallID, _ call: Call) {
        calls[id] = Task { [transport] in
            let outcome: CallOutcome
            let start = ContinuousClock.now
            do throws(TransportError) {
                let reply = try await transport.send(call.request, to: call.peer, at: call.addresses)
                let rtt = SystemTime.microseconds(ContinuousClock.now - start)
                outcome = .answered(
                    address: reply.address, origin: reply.origin, rttMicroseconds: rtt, named: reply.named,
                    content: reply.content)
            } catch {
                outcome = .failed(error.failureClass, address: error.address)
            }
            self.ended(id, outcome)
        }
    }

    private func ended(_ id: CallID, _ outcome: CallOutcome) {
        if ending.removeValue(forKey: id) != nil {
            if ending.isEmpty { stopWaiting() }
            return
        }
        guard calls.removeValue(forKey: id) != nil, phase != .stopped else { return }
        metrics.call(outcome)
        perform(engine.completed(id, outcome, at: time.now))
    }

    private func tell(_ id: LookupID, _ event: LookupEvent) {
        guard case .finished(let reason, let statistics, _) = event else {
            lookups[id]?.yield(event)
            return
        }
        metrics.lookup(reason, statistics)
        // Its target is nobody's business: it is not logged.
        logger.debug(
            "lookup finished",
            metadata: [
                "reason": "\(reason.name)", "queries": "\(statistics.queries)",
                "milliseconds": "\(statistics.milliseconds)",
            ])
        let continuation = lookups.removeValue(forKey: id)
        continuation?.yield(event)
        continuation?.finish()
    }

    private func wake(at uptime: Uptime) {
        timer?.cancel()
        timer = Task { [weak self, time] in
            do {
                try await Task.sleep(until: time.instant(of: uptime), clock: .continuous)
            } catch {
                return
            }
            await self?.tick()
        }
    }

    /// Expired values and providers give their room back.
    private func sweep(at now: Instant) {
        runErrand { node in
            do throws(StoreError) {
                let report = try await node.store.sweepValues(at: now)
                if report.removed > 0 {
                    node.logger.debug("expired content dropped", metadata: ["count": "\(report.removed)"])
                }
                let names = try await node.store.sweepStrings()
                if names > 0 { node.logger.debug("unused names dropped", metadata: ["count": "\(names)"]) }
            } catch {
                if case .interrupted = error { return }
                node.storeFailed(error)
            }
        }
    }

    /// The engine tells of it once, whoever met it.
    func storeFailed(_ error: StoreError) {
        guard phase != .stopped else { return }
        perform(engine.storeFailed(error, at: time.now))
    }

    private func tick() {
        guard phase != .stopped else { return }
        perform(engine.tick(at: time.now))
    }

    private func log(_ note: Note) {
        switch note {
        case .warmStartFinished(let answered, let failed):
            logger.info("warm start finished", metadata: ["answered": "\(answered)", "failed": "\(failed)"])
        case .failuresDiscarded(let count):
            logger.info("failures taken back: nothing else answered either", metadata: ["count": "\(count)"])
        case .storeFailed(let error):
            logger.error("the store failed; the node goes on in memory", metadata: ["error": "\(error)"])
        case .storeRecovered(let lost):
            logger.notice("the store works again", metadata: ["lost": "\(lost)"])
        case .dropped(let count): logger.debug("peers dropped", metadata: ["count": "\(count)"])
        case .badReply(let peer, let fault):
            logger.debug("answer refused", metadata: ["peer": "\(name(peer))", "fault": "\(fault)"])
        case .failureCounted(let peer, let failureClass):
            logger.trace("failure counted", metadata: ["peer": "\(name(peer))", "class": "\(failureClass.name)"])
        }
    }

    private func name(_ peer: Peer) -> String { store.network.idEncoding.encode(peer.id) }
}
