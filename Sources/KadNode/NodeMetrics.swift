import KadEngine
import KadStore
import Kademlia
import Metrics

/// What a node counts, by the usual protocol (swift-metrics). Names and labels are stable.
///
/// | name | type | labels |
/// |---|---|---|
/// | `kadstore_calls_total` | counter | `outcome`: `answered`, or the failure's class |
/// | `kadstore_call_duration` | timer (calls that were answered) | |
/// | `kadstore_calls_in_flight` | gauge | |
/// | `kadstore_lookups_total` | counter | `reason` |
/// | `kadstore_lookup_duration` | timer | |
/// | `kadstore_lookup_queries` | recorder | |
/// | `kadstore_table_contacts` | gauge | |
/// | `kadstore_failures_counted_total` | counter | `class` |
/// | `kadstore_failures_discarded_total` | counter | |
/// | `kadstore_bad_replies_total` | counter | |
/// | `kadstore_peers_dropped_total` | counter | |
/// | `kadstore_store_errors_total` | counter | |
/// | `kadstore_queries_total` | counter (what others asked) | `query`: `ping`, `find-node`, `get-value`, `put-value`, `get-providers`, `add-provider`; `outcome`: `answered`, `invalid`, `too-many`, `full`, `unavailable` |
/// | `kadstore_values_refused_total` | counter (values that may not stand under their keys) | |
/// | `kadstore_publications_total` | counter (peers that were told of a value or provider) | `kind`: `value`, `provider`, `correction`; `outcome`: `accepted`, `failed` |
struct NodeMetrics {
    private let callDuration = Timer(label: "kadstore_call_duration")
    private let inFlight = Gauge(label: "kadstore_calls_in_flight")
    private let lookupDuration = Timer(label: "kadstore_lookup_duration")
    private let lookupQueries = Recorder(label: "kadstore_lookup_queries")
    private let contacts = Gauge(label: "kadstore_table_contacts")
    private let discarded = Counter(label: "kadstore_failures_discarded_total")
    private let badReplies = Counter(label: "kadstore_bad_replies_total")
    private let dropped = Counter(label: "kadstore_peers_dropped_total")
    private let storeErrors = Counter(label: "kadstore_store_errors_total")
    private let storeLost = Counter(label: "kadstore_store_lost_events_total")
    private let valuesRefused = Counter(label: "kadstore_values_refused_total")

    func state(inFlight count: Int, contacts: Int) {
        inFlight.record(count)
        self.contacts.record(contacts)
    }

    func call(_ outcome: CallOutcome) {
        switch outcome {
        case .answered(_, _, let rtt, _, _):
            callDuration.recordMicroseconds(rtt)
            Counter(label: "kadstore_calls_total", dimensions: [("outcome", "answered")]).increment()
        case .failed(let failureClass, _):
            Counter(label: "kadstore_calls_total", dimensions: [("outcome", failureClass.name)]).increment()
        }
    }

    func lookup(_ reason: Lookup.FinishReason, _ statistics: LookupStatistics) {
        Counter(label: "kadstore_lookups_total", dimensions: [("reason", reason.name)]).increment()
        lookupDuration.recordMilliseconds(statistics.milliseconds)
        lookupQueries.record(statistics.queries)
    }

    func answered(_ query: Query) { count(query, "answered") }

    func refused(_ query: Query, _ refusal: Refusal) { count(query, refusal.name) }

    private func count(_ query: Query, _ outcome: String) {
        Counter(label: "kadstore_queries_total", dimensions: [("query", query.name), ("outcome", outcome)]).increment()
    }

    func refusedValue() { valuesRefused.increment() }

    /// - Parameter kind: `value`, `provider` or `correction`.
    func published(_ kind: String, _ report: PutReport) {
        for (outcome, count) in [("accepted", report.accepted.count), ("failed", report.failed.count)] where count > 0 {
            Counter(label: "kadstore_publications_total", dimensions: [("kind", kind), ("outcome", outcome)])
                .increment(by: count)
        }
    }

    func note(_ note: Note) {
        switch note {
        case .failureCounted(_, let failureClass):
            Counter(label: "kadstore_failures_counted_total", dimensions: [("class", failureClass.name)]).increment()
        case .failuresDiscarded(let count): discarded.increment(by: count)
        case .badReply: badReplies.increment()
        case .dropped(let count): dropped.increment(by: count)
        case .storeFailed: storeErrors.increment()
        case .storeRecovered(let lost): storeLost.increment(by: lost)
        case .warmStartFinished: break
        }
    }
}
