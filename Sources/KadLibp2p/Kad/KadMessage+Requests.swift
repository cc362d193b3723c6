import KadEngine
import Multiformats

/// Our requests, and the answers to them.
extension KadMessage {
    /// A request on the wire; nil for what this network cannot ask: the peers near a point whose preimage is not known. Peers
    /// hash what they are asked for, so the point itself would be searched for somewhere else.
    ///
    /// - Parameter peer: who is asked.
    init?(_ request: Request, to peer: PeerID, from sender: OwnContact) {
        self.init()
        if let record = sender.record { senderRecord = .init(record) }
        switch request {
        case .findNode(let target):
            guard let preimage = target.preimage else { return nil }
            type = .findNode
            key = .init(preimage)
        case .ping:
            // The protocol has a PING, which its specification retires: "implementations must not actively send" it, and
            // go-libp2p's successor `/ipfs/ping/1.0.0` is answered by peers that serve no DHT at all. What a routing table
            // wants to know of a contact is whether it answers lookups, so it is asked for itself, as go-libp2p-kad-dht checks
            // its own table. Every server answers that, and it opens no second kind of stream.
            type = .findNode
            key = .init(peer.bytes)
        case .getValue(let key):
            type = .getValue
            self.key = .init(key)
        case .putValue(let key, let value):
            type = .putValue
            self.key = .init(key)
            record.key = .init(key)
            record.value = .init(value)
        case .getProviders(let key):
            type = .getProviders
            self.key = .init(key)
        case .addProvider(let key):
            type = .addProvider
            self.key = .init(key)
            providerPeers = [Peer(id: sender.id, addresses: sender.addresses)]
        }
    }

    /// What this message says in answer to a request.
    ///
    /// - Throws: ``KadFault``: `wrongKind`, `badKey`, `badValue`.
    func answer(to request: Request) throws(KadFault) -> (named: [NamedPeer], content: ReplyContent) {
        let named = closerPeers.map(\.named)
        switch request {
        case .findNode(let target):
            try expect(.findNode, about: target.preimage ?? [])
            return (named, .none)
        case .ping:
            // Whom it names was not asked for.
            try expect(.findNode)
            return ([], .none)
        case .getValue(let key):
            try expect(.getValue, about: key)
            guard hasRecord, !record.value.isEmpty else { return (named, .none) }
            guard Array(record.key) == key, record.value.count <= KadProtocol.valueLimit else { throw .badValue }
            return (named, .value(Array(record.value)))
        case .putValue(let key, let value):
            try expect(.putValue)
            guard Array(self.key) == key else { throw .badKey }
            guard Array(record.key) == key, Array(record.value) == value else { throw .badValue }
            return ([], .none)
        case .getProviders(let key):
            try expect(.getProviders, about: key)
            return (named, .providers(providerPeers.map(\.named)))
        case .addProvider(let key):
            try expect(.addProvider, about: key)
            return ([], .none)
        }
    }

    /// - Parameter asked: some implementations repeat the key that they were asked for, others leave it out.
    private func expect(_ kind: Kind, about asked: [UInt8]? = nil) throws(KadFault) {
        guard type == kind else { throw .wrongKind }
        guard let asked, !key.isEmpty else { return }
        guard Array(key) == asked else { throw .badKey }
    }
}

extension Request {
    /// The most bytes that an answer may have.
    var answerLimit: Int {
        switch self {
        case .findNode, .ping: KadProtocol.peersAnswerLimit
        case .getValue: KadProtocol.valueAnswerLimit
        case .putValue(let key, let value): 2 * key.count + value.count + KadProtocol.echoSlack
        case .getProviders: KadProtocol.providersAnswerLimit
        case .addProvider: KadProtocol.echoSlack
        }
    }
}
