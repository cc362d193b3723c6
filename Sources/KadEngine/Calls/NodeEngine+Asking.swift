import KadStore
import Kademlia
import Multiformats

extension NodeEngine {
    /// One request to one peer, outside of lookups. It is retried, given up and charged to the failure memory like every
    /// other call; ``Action/outcome(_:_:)`` says what became of it, once, unless ``cancel(_:at:)-(CallID,_)`` comes before.
    ///
    /// A peer whose backoff has not ended is not dialled: the outcome is then `cancelled`, for we gave up ourselves, and nothing
    /// is charged. Without any address, or when it is this node itself, the outcome is `unreachable`.
    ///
    /// - Parameters:
    ///   - addresses: where the caller knows it to be, in the order to try; they are remembered, as far as the store's scope
    ///     admits them. Nil: where the store knows it to be.
    public func ask(
        _ request: Request, of peer: Peer, addresses: [Multiaddr]? = nil, options: AskOptions = AskOptions(),
        at time: Time
    ) -> (CallID, [Action]) {
        var id = CallID(number: 0)
        let actions = handle(time) { id = ask(request, of: peer, at: addresses, options) }
        return (id, actions)
    }

    /// Gives up a request that ``ask(_:of:addresses:options:at:)`` made. Nothing is told of it any more.
    public func cancel(_ id: CallID, at time: Time) -> [Action] {
        handle(time) {
            guard calls[id]?.purpose == .direct else { return }
            cancelCall(id)
        }
    }

    /// What a peer answered, or sent, turned out to break a rule that only whoever wanted it could judge by: a value with a
    /// wrong signature. It is charged to that peer as a bad answer is.
    public func refuse(_ fault: ReplyFault, of peer: Peer, at time: Time) -> [Action] {
        handle(time) {
            actions.append(.note(.badReply(peer, fault)))
            charge(failureOf: peer, .badResponse, at: nil)
        }
    }

    private func ask(
        _ request: Request, of peer: Peer, at stated: [Multiaddr]?, _ options: AskOptions
    ) -> CallID {
        let isSelf = peer.key == identity.peer.key
        let stated = stated?.filter(store.scope.admits)
        if let stated, !stated.isEmpty, !isSelf {
            remember(.heard(peer, addresses: stated, source: Self.askedSource, at: now))
        }
        let record = recall(peer.key)
        let addresses = stated ?? record.map(dialable) ?? []
        guard !isSelf, !addresses.isEmpty else { return refused(.unreachable) }
        if let record, !options.insists, !isAdmitted(record) { return refused(.cancelled) }
        let deadline = uptime.advanced(
            byMilliseconds: max(1, options.milliseconds ?? configuration.askMilliseconds))
        return call(peer, at: addresses, request, for: .direct, until: deadline)
    }

    /// How addresses that a caller stated are named as what was told of a peer.
    private static let askedSource = "asked"

    /// No call was made, so nothing is charged.
    private func refused(_ failureClass: FailureClass) -> CallID {
        let id = calls.nextID()
        tell(id, .failed(failureClass, address: nil))
        return id
    }

    func tell(_ id: CallID, _ outcome: CallOutcome) { actions.append(.outcome(id, outcome)) }
}
