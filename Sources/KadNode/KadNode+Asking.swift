import KadEngine
import KadStore
import Kademlia
import Multiformats

extension KadNode {
    /// One request to one peer. Like every other call it is retried, given up after a while, and remembered: what comes of it
    /// counts for or against the peer.
    ///
    /// - Parameters:
    ///   - addresses: where the caller knows the peer to be; nil: where the store knows it to be.
    ///   - options: whether a peer is dialled in spite of its backoff, and for how long it is waited.
    /// - Returns: the answer, as far as it is believed: peers with ids that are none, and addresses that the store's scope does
    ///   not admit, are left out.
    /// - Throws: ``TransportError``: with `unreachable` when no address is known; with `cancelled` when the peer is not dialled
    ///   for its backoff, when the task was cancelled, or when the node has ended.
    public func ask(
        _ request: Request, of id: PeerID, at addresses: [Multiaddr]? = nil, options: AskOptions = AskOptions()
    ) async throws(TransportError) -> Reply {
        guard phase != .stopped else { throw TransportError(.cancelled) }
        guard store.network.idEncoding.admits(id), let peer = try? store.peer(id) else {
            throw TransportError(.unreachable)
        }
        let (call, actions) = engine.ask(request, of: peer, addresses: addresses, options: options, at: time.now)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                asks[call] = continuation
                perform(actions)
            }
        } onCancel: {
            Task { await self.giveUp(call) }
        }
        switch outcome {
        case .answered(let address, let origin, _, let named, let content):
            return Reply(address: address, origin: origin, named: named, content: content)
        case .failed(let failureClass, let address): throw TransportError(failureClass, at: address)
        }
    }

    private func giveUp(_ call: CallID) {
        guard asks[call] != nil else { return }
        if phase != .stopped { perform(engine.cancel(call, at: time.now)) }
        tell(call, .failed(.cancelled, address: nil))
    }

    /// Nobody waits for an answer any more.
    func giveUpAsks() {
        for call in asks.keys.sorted() { tell(call, .failed(.cancelled, address: nil)) }
    }

    func tell(_ call: CallID, _ outcome: CallOutcome) { asks.removeValue(forKey: call)?.resume(returning: outcome) }
}
