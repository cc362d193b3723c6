import KadStore
import Kademlia

extension NodeEngine {
    /// Plans whom to ask first. The restored table serves lookups meanwhile.
    func beginWarmStart() {
        if configuration.usesHistory {
            let planner = WarmPlanner(store: store, table: table, policy: configuration.failures, at: now)
            do throws(StoreError) {
                warm = try planner.warmStart(
                    lastMark: upkeep.lastMark, configuration: configuration.warmStart, at: uptime, using: &generator)
            } catch {
                upkeep.health.failed(error, &actions)
            }
        }
        // Nobody to ask: what remains is to ask for bootstrap peers.
        if warm == nil { warm = WarmStart(candidates: [], lastMark: nil, at: uptime, using: &generator) }
        tickWarmStart()
    }

    /// Goes on with the plan. Without a link it waits: each peer is asked once, and now none could answer.
    func tickWarmStart() {
        guard !isLinkDown, let directives = warm?.poll(at: uptime) else { return }
        for directive in directives {
            switch directive {
            case .probe(let key): probe(key)
            case .bootstrap: askForBootstrap()
            case .finished: finishWarmStart()
            }
        }
    }

    private func probe(_ key: Key) {
        guard let record = recall(key), let addresses = admit(record) else {
            warm?.skipped(key, at: uptime)
            return
        }
        ping(record.peer, at: addresses, for: .warmStart)
    }

    func warmStartAnswered(_ key: Key) {
        warm?.answered(key, at: uptime)
        tickWarmStart()
    }

    func warmStartFailed(_ key: Key) {
        warm?.failed(key, at: uptime)
        tickWarmStart()
    }

    private func finishWarmStart() {
        guard let statistics = warm?.statistics else { return }
        warm = nil
        actions.append(.note(.warmStartFinished(answered: statistics.answered, failed: statistics.failed)))
        beginUpkeep()
    }
}
