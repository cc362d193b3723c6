import Multiformats
import Synchronization

/// Checks the signed records that senders attach to their messages.
///
/// A peer attaches the same record to every message, and a signature costs more to check than the rest of a request to serve:
/// the last good one of each peer is remembered.
final class SenderRecords: Sendable {
    /// The most peers whose record is remembered.
    private static let peerLimit = 1_024
    /// Longer records are checked each time, so that what is remembered is 2 MiB at most.
    private static let rememberedByteLimit = 2_048

    private let verified = Mutex<[PeerID: [UInt8]]>([:])

    /// - Throws: ``KadFault/badSenderRecord`` for a record that does not verify, or is another peer's. A message without one is
    ///   as good as any.
    func check(_ message: KadMessage, from peer: PeerID) throws(KadFault) {
        guard !message.senderRecord.isEmpty else { return }
        let record = Array(message.senderRecord)
        if verified.withLock({ $0[peer] == record }) { return }
        guard let signed = try? SignedPeerRecord(envelope: record), signed.peer == peer else {
            throw .badSenderRecord
        }
        guard record.count <= Self.rememberedByteLimit else { return }
        verified.withLock { verified in
            if verified.count >= Self.peerLimit, verified[peer] == nil { verified = [:] }
            verified[peer] = record
        }
    }
}
