import KadNode
import KadStore
import Kademlia

/// What a run of a crawl has come to.
struct CrawlResult: Sendable {
    let path: String
    let report: Crawler.Report
    let elapsedMilliseconds: Int64
    let wasInterrupted: Bool
    let agents: AgentCount

    private var crawl: Crawl { report.crawl }
    private var known: Int { crawl.visited + report.remaining }

    /// The classes of failures that there were, the most frequent first.
    private var failures: [(failureClass: FailureClass, count: Int)] {
        FailureClass.allCases.compactMap { failureClass in
            crawl.peers[.failed(failureClass)].map { (failureClass, $0) }
        }
        .filter { $0.count > 0 }.sorted { ($1.count, $0.failureClass.rawValue) < ($0.count, $1.failureClass.rawValue) }
    }

    var json: JSON {
        .object([
            "version": JSON.formatVersion, "path": .string(path), "startedMs": .int(crawl.startedAt.milliseconds),
            "endedMs": .optional(crawl.endedAt?.milliseconds), "isComplete": .bool(crawl.isComplete),
            "isResumed": .bool(report.isResumed), "peers": .int(known), "visited": .int(crawl.visited),
            "answered": .int(crawl.answered), "failed": .int(crawl.failed), "leftOut": .int(crawl.leftOut),
            "remaining": .int(report.remaining), "requests": .int(report.answers),
            "elapsedMs": .int(elapsedMilliseconds),
            "failures": .array(
                failures.map { .object(["class": .string($0.failureClass.name), "count": .int($0.count)]) }),
            "agents": .array(
                agents.frequent.map { .object(["agent": .optional($0.agent), "count": .int($0.count)]) }),
        ])
    }

    func lines(_ terminal: Terminal) -> [String] {
        var lines = [
            "\(terminal.count(known, "peer")): \(terminal.count(crawl.answered)) answered, "
                + "\(terminal.count(crawl.failed)) failed, \(terminal.count(crawl.leftOut)) left out"
                + (report.remaining > 0 ? ", \(terminal.count(report.remaining)) still to visit" : "")
                + "; \(terminal.count(report.answers, "answer")) in \(Span.text(milliseconds: elapsedMilliseconds))."
        ]
        if !failures.isEmpty {
            let classes = failures.map { "\($0.failureClass.name) \(terminal.count($0.count))" }
            lines.append("failures: " + classes.joined(separator: ", "))
        }
        if !agents.frequent.isEmpty {
            let names = agents.frequent.prefix(5).map { entry in
                "\(entry.agent.map(terminal.safe) ?? "unknown") \(terminal.count(entry.count))"
            }
            lines.append("agents: " + names.joined(separator: ", ") + (agents.frequent.count > 5 ? ", …" : ""))
        }
        return lines
    }
}

/// How often each agent was met: of peers that answered since a time.
struct AgentCount: Sendable {
    /// The most frequent, of those that told none too.
    private(set) var frequent: [(agent: String?, count: Int)] = []

    private static let shown = 20
    /// Different agents that are counted: what strangers call themselves must not take the memory.
    private static let maximumAgents = 65_536

    init(of store: Store, since start: Instant) throws(StoreError) {
        var counts: [String?: Int] = [:]
        var after: Key?
        repeat {
            let page = try store.peers(after: after, limit: Store.maximumPageCount)
            for record in page.peers {
                guard let lastOK = record.lastOK, lastOK >= start else { continue }
                if counts[record.agent] != nil || counts.count < Self.maximumAgents {
                    counts[record.agent, default: 0] += 1
                }
            }
            after = page.next
        } while after != nil
        let sorted = counts.sorted { ($1.value, $0.key ?? "") < ($0.value, $1.key ?? "") }
        frequent = sorted.prefix(Self.shown).map { ($0.key, $0.value) }
    }
}

/// How far a crawl is, on a terminal's last line.
final class CrawlProgressLine {
    private let progress = Progress("Crawling", unit: "peers visited")

    /// How much of those that are known is done: it goes back when others are learnt of.
    func update(_ state: Crawler.Progress) {
        progress.update(
            state.visited, fraction: state.known > 0 ? Double(state.visited) / Double(state.known) : nil)
    }

    func finish() { progress.finish() }
}
