import Kademlia
import Multiformats

extension Store {
    /// The local identities, by number. Those whose rows are damaged are left out; a check names them.
    public func identities() throws(StoreError) -> [Identity] {
        try read { try $0.reader.identities() }
    }

    /// The identity of a local node: the one that has this id already, or a new one.
    ///
    /// - Parameter label: for people; kept from the first time.
    /// - Throws: ``StoreError``; `corrupt` when the row of the identity is damaged.
    public func identity(_ id: PeerID, label: String = "") async throws(StoreError) -> Identity {
        guard let writer else { throw .readOnly(path: path) }
        let peer = try self.peer(id)
        let (network, now) = (network, options.now())
        return try await writer.perform { writer in
            try writer.transaction { records in
                let known = try records.reader.identities()
                if let identity = known.first(where: { $0.peer.id == id }) { return identity }
                if try records.reader.isIdentityDamaged(id) {
                    throw StoreError.corrupt(
                        path: records.connection.path,
                        detail: "its identity \(network.idEncoding.encode(id)) cannot be read")
                }
                let number = try records.connection.nextNumber(after: "SELECT ifnull(max(number), 0) FROM identity")
                let identity = Identity(
                    number: number, peer: peer, label: PeerRecord.bounded(label), createdAt: now)
                try records.insert(identity)
                return identity
            }
        }
    }

    /// The stored k-buckets of an identity, in order, contacts in their order.
    ///
    /// - Complexity: O(contacts): reads what it restores and nothing else, however many peers the store has.
    public func buckets(of identity: Identity) throws(StoreError) -> [BucketSnapshot] {
        try read { try $0.buckets(of: identity.number) }
    }

    /// The routing table of an identity as it was, its contacts unverified: nobody has answered yet since the start.
    ///
    /// - Returns: the table, and what of the stored buckets contradicted it and was left out.
    public func routingTable(
        of identity: Identity, configuration: RoutingTable.Configuration
    ) throws(StoreError) -> (table: RoutingTable, faults: [RoutingTable.RestoreFault]) {
        let snapshots = try buckets(of: identity)
        var restored = RoutingTable.restored(
            from: snapshots, localKey: identity.peer.key, configuration: configuration)
        restored.table.markAllUnverified()
        return restored
    }

    /// The settings of a routing table that fit this store's network and scope.
    public var tableConfiguration: RoutingTable.Configuration {
        var configuration = RoutingTable.Configuration()
        configuration.keyBits = network.keyBits
        if scope == .private { configuration.limits = nil }
        return configuration
    }
}
