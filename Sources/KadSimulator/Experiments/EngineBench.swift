import KadEngine
import KadStore
import Kademlia

/// Lets the engine do trials, each from the same store: what one lookup learns, the next does not know.
struct EngineBench {
    let trials: Trials
    let folder: StoreFolder
    let memory: LookupComparison.Memory
    let earlierLookups: Int

    private var network: SimulatedNetwork { trials.network }
    private func template(_ turn: Int) -> String { "\(memory)-\(turn).db" }

    private func settings(alpha: Int, stop: Int?) -> ObservedNode.Settings {
        var settings = ObservedNode.Settings()
        settings.engine.maintains = false
        settings.engine.usesHistory = memory != .cold
        settings.engine.lookup.alpha = alpha
        settings.engine.lookup.stop = stop
        // Nothing crashes here: what is recorded may wait.
        settings.commitInterval = Span.hour
        return settings
    }

    /// Makes the store of each asker.
    func prepare() async throws {
        for trial in trials.all where trial.number == trial.turn {
            try await prepare(trial.asker, template(trial.turn))
        }
    }

    private func prepare(_ asker: Int, _ file: String) async throws {
        let machine = Machine()
        machine.now = Trials.moment
        guard let id = network.id(of: asker) else { return }
        let store = try await ObservedNode.open(folder.file(file), machine)
        let identity = try await store.identity(id)
        let preparation = StorePreparation(
            store: store, identity: identity, network: network, node: asker, now: Trials.moment)
        try await preparation.rememberContacts(haveAnswered: memory == .history || memory == .tenth)
        if memory == .tenth { try await preparation.rememberAnswers(permille: LookupComparison.knownPermille) }
        if memory == .history || memory == .tenth {
            try await preparation.rememberFailures(permille: LookupComparison.knownDeadPermille)
        }
        try await store.close()
        if memory == .earned { try await earn(asker, file) }
    }

    /// Lookups for other targets, evenly over the hour before.
    private func earn(_ asker: Int, _ file: String) async throws {
        let node = ObservedNode(
            Internet(network: network), node: asker, folder: folder, name: file,
            settings: settings(alpha: 10, stop: nil))
        let begin = VirtualTime(microseconds: Trials.moment.microseconds - Span.hour)
        node.machine.now = begin
        try await node.start()
        for number in 0..<earlierLookups {
            try await node.advance(to: begin + Span.hour * Int64(number) / Int64(earlierLookups))
            let draw = network.draw[.lookup][2][asker][number]
            _ = try await node.lookup(Key(draw[0].bits, draw[1].bits, draw[2].bits, draw[3].bits))
        }
        try await node.stop()
    }

    func run(alpha: Int, stop: Int?, _ digest: inout TraceDigest) async throws -> LookupTally {
        var tally = LookupTally()
        let file = "trial.db"
        for trial in trials.all {
            try folder.copy(template(trial.turn), to: file)
            let node = ObservedNode(
                Internet(network: network), node: trial.asker, folder: folder, name: file,
                settings: settings(alpha: alpha, stop: stop))
            node.machine.now = Trials.moment
            try await node.start()
            if let outcome = try await node.lookup(trial.target) {
                tally.add(
                    LookupWork(outcome.statistics), microseconds: outcome.microseconds,
                    recall: trials.recall(of: outcome.found, trial, at: node.now))
            }
            digest.add(node.digest)
            try await node.stop()
            folder.remove(file)
        }
        return tally
    }
}

extension LookupWork {
    /// What the engine counts, in the words of the comparison.
    init(_ statistics: LookupStatistics) {
        queries = statistics.queries
        timeouts = statistics.failures
        distances = statistics.distances
        peakCandidates = statistics.peakFrontier
    }
}
