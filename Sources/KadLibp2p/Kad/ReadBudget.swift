import Multiformats
import Synchronization

/// The memory that half-read requests may take together. Many streams, each with the beginning of a long message, cost whoever
/// opens them next to nothing.
final class ReadBudget: Sendable {
    private struct State {
        var total = 0
        var byPeer: [PeerID: Int] = [:]
    }

    let limit: Int
    let limitPerPeer: Int
    private let state = Mutex(State())

    /// Bytes that every stream may hold besides: any request without a value. Peers that take all of the budget leave that much
    /// to the others.
    static let free = 16 * 1024

    init(limit: Int, limitPerPeer: Int) {
        self.limit = limit
        self.limitPerPeer = limitPerPeer
    }

    /// Claims bytes in place of those that were claimed before.
    ///
    /// - Returns: false, with nothing changed, where there is no room for them.
    func change(from before: Int, to after: Int, for peer: PeerID) -> Bool {
        guard before != after else { return true }
        return state.withLock { state in
            let total = state.total - before + after
            let ofPeer = state.byPeer[peer, default: 0] - before + after
            guard after < before || (total <= limit && ofPeer <= limitPerPeer) else { return false }
            state.total = total
            state.byPeer[peer] = ofPeer > 0 ? ofPeer : nil
            return true
        }
    }
}
