import Synchronization

/// The bound on peers as it stands in the file, shared by a store and its writer, which notices when others raise it.
final class PeerCap: Sendable {
    private let current: Atomic<Int64>

    init(_ value: Int64) { current = Atomic(value) }

    var value: Int64 {
        get { current.load(ordering: .relaxed) }
        set { current.store(newValue, ordering: .relaxed) }
    }
}

extension Writer {
    /// Never lowers it.
    func raisePeerCap(to count: Int64) throws {
        try transaction { records in
            try records.connection.statement("UPDATE network SET peer_cap = max(peer_cap, ?1)").bind(1, count).run()
        }
        peerCap.value = try records().reader.peerCap()
    }

    /// A node would drop again what is beyond its cap, and whoever loads peers wants them.
    func makeRoomForAllPeers() throws {
        let count = Int64(try records().reader.peerCount())
        if count > peerCap.value { try raisePeerCap(to: count) }
    }
}

extension RecordReader {
    func peerCap() throws -> Int64 { try connection.integer("SELECT peer_cap FROM network") }
}
