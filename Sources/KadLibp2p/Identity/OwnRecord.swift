import KadStore
import Kademlia
import Multiformats
import Synchronization

/// What this node says of itself to somebody.
struct OwnContact: Hashable, Sendable {
    let id: PeerID
    /// Where it can be reached; none for one that serves nobody.
    var addresses: [Multiaddr]
    /// Grows whenever the addresses change.
    var sequence: UInt64 = 0
    /// All of it, signed: an encoded ``SignedEnvelope``.
    var record: [UInt8]?
}

/// Keeps the signed record of this node: one for all protocols that tell it.
///
/// Peers refuse a record with a lower number than one that they have, so all messages must carry the same one until the addresses
/// change. The number is the wall clock's, as in other implementations: a node that restarts goes on above its last one.
final class OwnRecord: Sendable {
    private struct State {
        var addresses: [Multiaddr] = []
        var checkedAt: ContinuousClock.Instant?
        var sequence: UInt64 = 0
        /// By whether it is for this machine only.
        var told: [Bool: OwnContact] = [:]
    }

    /// How long the addresses are believed: asking the system for those of its interfaces costs more than answering a request.
    private static let refresh: Duration = .seconds(5)

    private let keys: KeyPair
    private let state = Mutex(State())

    init(keys: KeyPair) { self.keys = keys }

    /// - Parameters:
    ///   - peer: where the other end is. Loopback addresses are told to this machine alone: elsewhere they mean another.
    ///   - listening: the addresses that are listened on now.
    func told(to peer: Multiaddr, listening: () -> [Multiaddr]) -> OwnContact {
        let isLocal = peer.ipAddress?.reach == .loopback
        return state.withLock { state in
            Self.refresh(&state, listening)
            if let told = state.told[isLocal] { return told }
            let addresses = Array(
                state.addresses.filter { isLocal || $0.ipAddress?.reach != .loopback }
                    .prefix(SignedPeerRecord.addressLimit))
            let record = SignedPeerRecord(peer: keys.peerID, sequence: state.sequence, addresses: addresses)
            // Without its signature the rest is as good: the record is optional everywhere.
            let contact = OwnContact(
                id: keys.peerID, addresses: addresses, sequence: state.sequence, record: try? record.sealed(by: keys))
            state.told[isLocal] = contact
            return contact
        }
    }

    /// The addresses have changed: the next message tells them.
    func invalidate() { state.withLock { $0.checkedAt = nil } }

    private static func refresh(_ state: inout State, _ listening: () -> [Multiaddr]) {
        let now = ContinuousClock.now
        if let checkedAt = state.checkedAt, now - checkedAt < refresh { return }
        state.checkedAt = now
        let addresses = listening()
        guard addresses != state.addresses || state.sequence == 0 else { return }
        state.addresses = addresses
        state.sequence = max(state.sequence + 1, UInt64(max(0, Instant.systemClock().milliseconds)))
        state.told = [:]
    }
}
