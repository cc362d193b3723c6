import KadStore
import Kademlia

extension WatchView {
    /// One look as a JSON document.
    func json(_ model: WatchModel, _ store: WatchedStore) -> JSON {
        let condition: (name: String, problem: String?) =
            switch store.condition {
            case .open: ("open", nil)
            case .missing: ("missing", nil)
            case .unreadable(let reason): ("unreadable", reason)
            }
        return .object([
            "version": JSON.formatVersion, "path": .string(path), "atMs": .int(now.milliseconds),
            "condition": .string(condition.name), "problem": .optional(condition.problem),
            "replacedAtMs": .optional(store.replacedAt?.milliseconds),
            "look": store.condition == .open ? model.look.map { json($0, model) } ?? .null : .null,
        ])
    }

    private func json(_ look: WatchedStore.Look, _ model: WatchModel) -> JSON {
        let glance = look.glance
        return .object([
            "network": .string(look.network.name), "scope": .string(look.scope.rawValue), "peers": .int(glance.peers),
            "heldFailures": .int(glance.heldFailures), "lookups": .int(glance.lookups.count),
            "lastCommitAtMs": .optional(glance.lastCommit?.milliseconds), "fileBytes": .int(glance.fileBytes),
            "logBytes": .int(glance.logBytes), "counted": model.counts.map(json) ?? .null,
            "since": .object([
                "elapsedMs": .int(model.elapsedMilliseconds), "commits": .int(glance.commits),
                "pages": .int(glance.pages), "answers": .int(glance.answers), "failures": .int(glance.failures),
                "failuresByClass": .array(
                    glance.failuresByClass.sorted { $0.key.rawValue < $1.key.rawValue }.map { failureClass, count in
                        .object(["class": .string(failureClass.name), "count": .int(count)])
                    }),
                "isComplete": .bool(glance.isComplete),
                "changes": .array(glance.changes.map { json($0, look.network) }),
            ]),
            "tables": .array(look.tables.map(\.json)),
        ])
    }

    private func json(_ counts: WatchModel.Counts) -> JSON {
        .object([
            "atMs": .int(counts.at.milliseconds), "answered": .int(counts.statistics.answered),
            "unverified": .int(counts.statistics.unverified), "failing": .int(counts.statistics.failing),
            "backedOff": .int(counts.statistics.backedOff), "openBreakers": .int(counts.statistics.openBreakers),
        ])
    }

    private func json(_ change: Glance.Change, _ network: Network) -> JSON {
        let outcome: (name: String, class: String?, rtt: Int64?) =
            switch change.outcome {
            case .answered(let rtt): ("answered", nil, rtt)
            case .failed(let failureClass): ("failed", failureClass.name, nil)
            }
        return .object([
            "id": .optional(change.id.map(network.idEncoding.encode)),
            "key": .string(change.key.hex(byteCount: network.keyByteCount)), "outcome": .string(outcome.name),
            "class": .optional(outcome.class), "rttUs": .optional(outcome.rtt), "atMs": .int(change.at.milliseconds),
        ])
    }
}
