import KadNode
import KadStore
import Kademlia

/// How it went to tell peers of something, for people and programs.
struct SpreadReport {
    let key: ContentKey
    let report: PutReport
    let milliseconds: Int64

    /// - Parameters:
    ///   - deed: what those did who took it: `took it`.
    ///   - extra: members of the JSON document, behind the key.
    /// - Throws: ``CommandError/nothingFound(_:)`` when nobody took it, ``CommandError/partlyDone(_:)`` when fewer did than did
    ///   not: some of the nearest are gone as a rule, and the others suffice.
    func show(isJSON: Bool, _ deed: String, extra: [(String, JSON)]) throws {
        let encode = Network.libp2p.idEncoding.encode
        if isJSON {
            let failed = report.failed.map { failure in
                JSON.object([
                    "id": .string(encode(failure.peer.id)), "class": .string(failure.failureClass.name),
                ])
            }
            var output = Output()
            try output.line(
                JSON.members(
                    [("version", JSON.formatVersion), ("key", key.json)] + extra + [
                        ("accepted", .strings(report.accepted.map { encode($0.id) })), ("failed", .array(failed)),
                        ("elapsedMs", .int(milliseconds)),
                    ]
                ).text)
            try output.flush()
        } else {
            let terminal = Terminal.standardError
            var text = "\(terminal.count(report.accepted.count, "peer")) \(deed)"
            if !report.failed.isEmpty { text += ", \(terminal.count(report.failed.count)) did not" }
            Messages.line(text + ", in \(terminal.microseconds(milliseconds * 1_000)).")
        }
        if report.accepted.isEmpty { throw CommandError.nothingFound("nobody took it.") }
        if report.accepted.count < report.failed.count {
            throw CommandError.partlyDone("most of the nearest peers did not take it.")
        }
    }
}

enum ElapsedTime {
    static func milliseconds(since start: ContinuousClock.Instant) -> Int64 {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
