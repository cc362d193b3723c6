import KadEngine
import KadStore
import Kademlia

/// An explanation in plain words, and as JSON.
struct ExplanationView {
    let peers: PeerView
    let record: PeerRecord

    private var terminal: Terminal { peers.terminal }

    func lines(_ explanation: Explanation) -> [String] {
        [terminal.paint(peers.id(record.id), .bold), paint(explanation.verdict)]
            + explanation.facts.map { "  " + text($0) }
    }

    private func paint(_ verdict: Explanation.Verdict) -> String {
        switch verdict {
        case .dialled: terminal.paint(text(verdict), .green)
        case .onTrial, .waits: terminal.paint(text(verdict), .yellow)
        case .unreachable: terminal.paint(text(verdict), .red)
        }
    }

    private func text(_ verdict: Explanation.Verdict) -> String {
        switch verdict {
        case .dialled: "It is dialled whenever a lookup or the upkeep of the table wants it."
        case .onTrial: "It is dialled once, on trial: two answers close its breaker, a failure opens it for longer."
        case .waits(let until):
            "It is not dialled before \(UTC.text(until)), \(Span.text(until, from: peers.now)); then it may be again."
        case .unreachable where record.addresses.isEmpty: "It is not dialled: nobody has told of an address of it."
        case .unreachable: "It is not dialled: somebody else answers at the addresses that are known of it."
        }
    }

    private func text(_ fact: Explanation.Fact) -> String {
        switch fact {
        case .neverDialled: "It was never dialled."
        case .answered(let last, let times):
            "It answered \(terminal.count(times, "time")), the last time \(when(last))."
        case .noAddress: "It has no address."
        case .addressesWaiting(let count, let all):
            "\(terminal.count(count)) of its \(terminal.count(all, "address", "addresses")) failed too lately to be tried."
        case .failed(let failureClass, let times, let last):
            "\(meaning(failureClass)) \(terminal.count(times, "time")), the last time \(when(last))."
        case .streak(let then, let now):
            "Its streak of failures was \(milli(then)) when one was last counted, and has decayed to \(milli(now))."
        case .backoff(let milliseconds, let failureClass):
            "Its last failure (\(name(failureClass))) set a wait of \(Span.text(milliseconds: milliseconds))."
        case .breakerOpen(let openings, let since):
            "Its circuit breaker is open" + (since.map { " since \(when($0))" } ?? "")
                + (openings > 1 ? ", for the \(terminal.count(openings)). time in a row." : ".")
        case .trialUnderWay: "One trial of it was granted and is not over."
        case .outcomes(let failures, let count):
            "\(terminal.count(failures)) of its last \(terminal.count(count, "counted outcome")) \(failures == 1 ? "is a failure" : "are failures")."
        case .held(let failureClass, let at, let isWitnessed):
            "A failure (\(name(failureClass))) \(when(at)) does not count yet: it may have been our own outage. "
                + (isWitnessed
                    ? "Somebody else answered shortly before it; an answer shortly after will make it count."
                    : "The peer will be dialled again beside a good one.")
        case .contact(let identity, let bucket, let isLive):
            "It is \(isLive ? "a live contact" : "waiting in the replacement cache") of bucket \(bucket) of "
                + "\(terminal.safe(identity))."
        }
    }

    /// The class, and how far such a failure reaches.
    private func name(_ failureClass: FailureClass) -> String {
        switch failureClass.scope {
        case .stream: "\(failureClass.name), of one stream"
        case .connection: "\(failureClass.name), of one connection"
        case .peer: "\(failureClass.name), of the peer as a whole"
        case nil: failureClass.name
        }
    }

    private func meaning(_ failureClass: FailureClass) -> String {
        switch failureClass {
        case .timeout: "It did not answer in time"
        case .refused: "Its host refused the connection"
        case .reset: "The connection to it broke"
        case .unreachable: "There was no route to its host"
        case .negotiation: "No protocol could be agreed on with it"
        case .badResponse: "It gave an answer against the rules"
        case .identityMismatch: "Somebody else answered at its address"
        case .stream: "A stream to it failed"
        case .busy: "It was busy"
        case .cancelled: "A call to it was cancelled"
        case .local: "A call to it failed on this side"
        }
    }

    private func when(_ instant: Instant) -> String { Span.text(instant, from: peers.now) }

    /// Thousandths as a number with at most two places.
    private func milli(_ value: Int64) -> String {
        let hundredths = value / 10
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        if rest == 0 { return "\(whole)" }
        return rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}

extension ExplanationView {
    func json(_ explanation: Explanation) -> JSON {
        let verdict: (name: String, until: Int64?) =
            switch explanation.verdict {
            case .dialled: ("dialled", nil)
            case .onTrial: ("on-trial", nil)
            case .waits(let until): ("waits", until.milliseconds)
            case .unreachable: ("unreachable", nil)
            }
        return .object([
            "version": JSON.formatVersion, "id": .string(peers.id(record.id)), "key": .string(peers.key(record.key)),
            "verdict": .string(verdict.name), "changesAtMs": .optional(verdict.until),
            "text": .strings([text(explanation.verdict)] + explanation.facts.map(text)),
            "facts": .array(explanation.facts.map(json)),
        ])
    }

    private func json(_ fact: Explanation.Fact) -> JSON {
        switch fact {
        case .neverDialled: .object(["fact": .string("never-dialled")])
        case .answered(let last, let times):
            .object(["fact": .string("answered"), "lastMs": .int(last.milliseconds), "times": .int(times)])
        case .noAddress: .object(["fact": .string("no-address")])
        case .addressesWaiting(let count, let all):
            .object(["fact": .string("addresses-waiting"), "count": .int(count), "of": .int(all)])
        case .failed(let failureClass, let times, let last):
            .object([
                "fact": .string("failed"), "class": .string(failureClass.name),
                "scope": .optional(failureClass.scope?.rawValue), "times": .int(times),
                "lastMs": .int(last.milliseconds),
            ])
        case .streak(let then, let now):
            .object(["fact": .string("streak"), "atLastFailureMilli": .int(then), "nowMilli": .int(now)])
        case .backoff(let milliseconds, let failureClass):
            .object([
                "fact": .string("backoff"), "waitMs": .int(milliseconds), "class": .string(failureClass.name),
                "scope": .optional(failureClass.scope?.rawValue),
            ])
        case .breakerOpen(let openings, let since):
            .object([
                "fact": .string("breaker-open"), "openings": .int(openings), "sinceMs": .optional(since?.milliseconds),
            ])
        case .trialUnderWay: .object(["fact": .string("trial-under-way")])
        case .outcomes(let failures, let count):
            .object(["fact": .string("outcomes"), "failures": .int(failures), "of": .int(count)])
        case .held(let failureClass, let at, let isWitnessed):
            .object([
                "fact": .string("held"), "class": .string(failureClass.name),
                "scope": .optional(failureClass.scope?.rawValue), "atMs": .int(at.milliseconds),
                "isWitnessed": .bool(isWitnessed),
            ])
        case .contact(let identity, let bucket, let isLive):
            .object([
                "fact": .string("contact"), "identity": .string(identity), "bucket": .int(bucket),
                "isLive": .bool(isLive),
            ])
        }
    }
}
