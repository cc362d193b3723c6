import Kademlia
import Metrics

/// What a swarm counts, by the usual protocol (swift-metrics). Names and labels are stable.
///
/// | name | type | labels |
/// |---|---|---|
/// | `kadstore_connections` | gauge: secured connections | |
/// | `kadstore_connections_total` | counter | `direction`: `in`, `out` |
/// | `kadstore_connections_refused_total` | counter: over a limit of ours | |
/// | `kadstore_handshakes_failed_total` | counter | `reason`: the failure's class |
/// | `kadstore_streams_total` | counter | `direction`: `in`, `out` |
/// | `kadstore_streams_refused_total` | counter: over a limit of ours | |
/// | `kadstore_bytes_total` | counter: as they are on the socket | `direction`: `in`, `out` |
struct SwarmMetrics: Sendable {
    private let connections = Gauge(label: "kadstore_connections")
    private let connected = Directed(label: "kadstore_connections_total")
    private let refused = Counter(label: "kadstore_connections_refused_total")
    private let streams = Directed(label: "kadstore_streams_total")
    private let streamsRefused = Counter(label: "kadstore_streams_refused_total")
    private let bytes = Directed(label: "kadstore_bytes_total")

    private struct Directed: Sendable {
        let incoming: Counter
        let outgoing: Counter

        init(label: String) {
            incoming = Counter(label: label, dimensions: [("direction", "in")])
            outgoing = Counter(label: label, dimensions: [("direction", "out")])
        }
    }

    func state(connections count: Int) { connections.record(count) }

    func established(_ role: Role) { (role == .dialer ? connected.outgoing : connected.incoming).increment() }

    func refusedConnection() { refused.increment() }

    func failedHandshake(_ failureClass: FailureClass) {
        Counter(label: "kadstore_handshakes_failed_total", dimensions: [("reason", failureClass.name)]).increment()
    }

    func openedStream() { streams.outgoing.increment() }

    func servedStream() { streams.incoming.increment() }

    func refusedStream() { streamsRefused.increment() }

    func received(_ count: Int) { bytes.incoming.increment(by: count) }

    func sent(_ count: Int) { bytes.outgoing.increment(by: count) }
}
