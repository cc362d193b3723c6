import KadEngine
import KadNode
import Kademlia
import Multiformats

/// Requests of others, and our answers to them.
extension KadMessage {
    /// What is asked.
    ///
    /// - Throws: ``KadFault``: `wrongKind` for a kind that nobody knows, `badKey`, `badValue`.
    var query: Query {
        get throws(KadFault) {
            let key = Array(key)
            switch type {
            case .ping: return .ping
            case .findNode:
                guard Self.isTarget(key) else { throw .badKey }
                return .findNode(key)
            case .getValue:
                try check(key, limit: KadProtocol.keyLimit)
                return .getValue(key)
            case .putValue:
                guard hasRecord, Array(record.key) == key else { throw .badValue }
                try check(key, limit: KadProtocol.keyLimit)
                guard !record.value.isEmpty, record.value.count <= KadProtocol.valueLimit else { throw .badValue }
                return .putValue(key: key, value: Array(record.value))
            case .getProviders:
                try check(key, limit: KadProtocol.keyLimit)
                return .getProviders(key)
            case .addProvider:
                try check(key, limit: KadProtocol.providerKeyLimit)
                return .addProvider(key, providers: providerPeers.map(\.named))
            case .UNRECOGNIZED: throw .wrongKind
            }
        }
    }

    /// Our answer to a query; nil for ADD_PROVIDER, which has none.
    ///
    /// A kad PING is answered with one, though we send none. go-libp2p tells of providers and goes on asking on the same
    /// stream: what came for the one it would take for the answer to the other, and all that follow would be one too late.
    /// py-libp2p sends the message back as a server, but reads nothing as a client.
    ///
    /// - Parameter now: when a value that was put has been received.
    init?(answering query: Query, with answer: QueryAnswer, from sender: OwnContact, at now: Instant) {
        self.init()
        if let record = sender.record { senderRecord = .init(record) }
        closerPeers = answer.closer.map { Peer(id: $0.peer.id, addresses: $0.addresses) }
        switch query {
        case .ping: type = .ping
        case .findNode(let target):
            type = .findNode
            key = .init(target)
        case .getValue(let key):
            type = .getValue
            self.key = .init(key)
            guard let value = answer.value else { break }
            record.key = .init(key)
            record.value = .init(value)
        case .putValue(let key, let value):
            type = .putValue
            self.key = .init(key)
            record.key = .init(key)
            record.value = .init(value)
            if let text = now.rfc3339 { record.timeReceived = text }
        case .getProviders(let key):
            type = .getProviders
            self.key = .init(key)
            providerPeers = answer.providers.map { provider in
                // The node does not know its own addresses.
                let isOurs = provider.addresses.isEmpty && provider.peer.id == sender.id
                return Peer(id: provider.peer.id, addresses: isOurs ? sender.addresses : provider.addresses)
            }
        case .addProvider: return nil
        }
    }

    private func check(_ key: [UInt8], limit: Int) throws(KadFault) {
        guard (1...limit).contains(key.count) else { throw .badKey }
    }

    /// Whether FIND_NODE may ask for it: a multihash, or what could be an id in another form.
    private static func isTarget(_ key: [UInt8]) -> Bool {
        if KadProtocol.foreignTargetCounts.contains(key.count) { return true }
        guard key.count <= KadProtocol.keyLimit else { return false }
        var rest = key[...]
        guard (try? Varint.read(from: &rest)) != nil, let length = try? Varint.read(from: &rest) else { return false }
        return length == UInt64(rest.count)
    }
}
