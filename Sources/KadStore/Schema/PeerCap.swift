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
        try transaction { try $0.raisePeerCap(to: count) }
        peerCap.value = try records().reader.peerCap()
    }

    /// A node would drop again what is beyond its cap, and whoever loads peers wants them.
    func makeRoomForAllPeers() throws {
        let count = Int64(try records().reader.peerCount())
        if count > peerCap.value { try raisePeerCap(to: count) }
    }
}

extension RecordWriter {
    fileprivate func raisePeerCap(to count: Int64) throws {
        let header = try FileHeader(connection, path: connection.path)
        guard count > header.peerCap.value else { return }
        let update = try connection.statement(
            """
            UPDATE network SET name = ?2, scope = ?3, derivation = ?4, key_bits = ?5, id_text = ?6, created_at = ?7,
                peer_cap = ?8, salt = ?9, seal = ?10
            WHERE singleton = ?1
            """, sealing: .network)
        header.peerCap.value = count
        try header.bind(to: update).run()
    }
}

extension RecordReader {
    func peerCap() throws -> Int64 { try connection.integer("SELECT peer_cap FROM network") }
}
