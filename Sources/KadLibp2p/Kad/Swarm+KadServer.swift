import KadNode

extension Swarm {
    /// Serves the DHT: a node answers what others ask over this swarm, and is told of peers that serve it as well.
    ///
    /// A node that only asks (a crawl, a command) does without: others then do not take it for a server. The node is not kept
    /// alive by it; once it is gone, every request is refused.
    public func serve(_ node: KadNode) {
        let server = KadServer(
            records: SenderRecords(),
            sender: { [weak self] stream in
                self?.contact(toldTo: stream.remoteAddress) ?? OwnContact(id: stream.remote, addresses: [])
            },
            answer: { [weak node] (query, peer, address) throws(Refusal) in
                guard let node else { throw .unavailable }
                return try await node.answer(query, from: peer, at: address)
            },
            violated: { [weak node] peer in await node?.violated(by: peer) })
        handle(KadProtocol.id) { stream in try await server.serve(stream) }
        inform(node)
    }

    /// Tells a node what peers say of themselves, and whether they serve the DHT. ``serve(_:)`` does so too; a node that only
    /// asks hears of it by this.
    public func inform(_ node: KadNode) {
        onIdentified { [weak node] found in
            await node?.identified(
                found.peer, agent: found.agent, protocols: found.protocols, addresses: found.addresses,
                from: found.remoteAddress, serves: found.protocols.contains(KadProtocol.id))
        }
    }
}
