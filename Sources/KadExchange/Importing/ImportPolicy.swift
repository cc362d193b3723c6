import KadStore
import Kademlia
import Multiformats

/// What a store takes of a foreign record. The same for all formats.
struct ImportPolicy {
    private let network: Network
    private let scope: Scope
    private let options: ImportOptions
    private let own: Set<PeerID>
    private let latest: Instant
    private let source: String

    /// Stamps further in the future than this, in milliseconds, say nothing: clocks differ by less.
    static let clockTolerance: Int64 = 10 * 60 * 1_000

    /// - Parameters:
    ///   - own: our own ids, which are left out.
    ///   - name: the file's.
    init(network: Network, scope: Scope, own: Set<PeerID>, options: ImportOptions, name: String) {
        self.network = network
        self.scope = scope
        self.options = options
        self.own = own
        latest = options.now.advanced(byMilliseconds: Self.clockTolerance)
        source = options.source ?? Self.source(name)
    }

    /// `file:` and the last part of a path.
    static func source(_ name: String) -> String {
        "file:" + Printable.text(name.split(separator: "/").last.map(String.init) ?? name, limit: 200)
    }

    enum Verdict {
        case take
        /// Ourselves.
        case own
        /// The filter does not want it.
        case filtered
        case reject(RejectionReason)
    }

    /// Brings a record into shape, or says why not.
    func admit(
        _ peer: inout ImportedPeer, key: Key?, localIDs: [PeerID], report: inout ImportReport
    ) throws(StoreError) -> Verdict {
        if !own.isEmpty, own.contains(peer.id) { return .own }
        if localIDs.contains(peer.id) { return .own }
        if let reason = checkID(of: peer, key: key) { return .reject(reason) }
        if let reason = arrangeStamps(&peer, &report) { return .reject(reason) }
        if options.filter != .all, try !isWanted(peer) { return .filtered }

        if !options.takesHistory { peer = peer.withoutHistory }
        let isTold = !peer.addresses.isEmpty
        if let reason = arrangeAddresses(&peer, &report) { return .reject(reason) }
        guard !isTold || !peer.addresses.isEmpty || !peer.failures.isEmpty || peer.lastOK != nil else {
            return .reject(.unroutable)
        }
        // Names are kept joined by line ends, so none may hold one.
        if peer.protocols.contains(where: Self.isNoName) { peer.protocols.removeAll(where: Self.isNoName) }
        peer.source = source
        return .take
    }

    private func isWanted(_ peer: ImportedPeer) throws(StoreError) -> Bool {
        var stated = peer
        stated.source = peer.source ?? source
        return options.filter.accepts(stated.record(key: try network.key(of: peer.id), at: options.now))
    }

    /// An address without an id.
    func admit(
        _ address: Multiaddr, firstSeen: Instant?, lastSeen: Instant?, report: inout ImportReport
    ) -> (Candidate?, RejectionReason?) {
        guard let address = address.withoutPeerID else { return (nil, .missing("address")) }
        guard !address.isRelayed else { return (nil, .relayWithoutPeer) }
        guard isUsable(address) else { return (nil, .unroutable) }
        let first = options.takesHistory ? known(firstSeen, &report) : nil
        let last = options.takesHistory ? known(lastSeen, &report) : nil
        if let first, let last, first > last { return (nil, Self.disorder) }
        // Stamps that are the import's own time tell the store nothing new when the address is there already.
        return (
            Candidate(
                address: address, firstSeen: first ?? last ?? options.now, lastSeen: last ?? first ?? options.now,
                source: source), nil
        )
    }

    private func checkID(of peer: ImportedPeer, key: Key?) -> RejectionReason? {
        if network.derivation == .identity, peer.id.bytes.count != network.keyByteCount {
            return .foreignID(
                "an id of network '\(network.name)' has \(network.keyByteCount) bytes, this one \(peer.id.bytes.count)")
        }
        guard let key else { return nil }
        return (try? network.key(of: peer.id)) == key ? nil : .wrongKey
    }

    private func arrangeAddresses(_ peer: inout ImportedPeer, _ report: inout ImportReport) -> RejectionReason? {
        var kept = 0
        for index in peer.addresses.indices {
            var entry = peer.addresses[index]
            if let id = entry.address.peerID {
                guard id == peer.id else { return .otherPeer }
                guard let plain = entry.address.withoutPeerID else { continue }
                entry.address = plain
            }
            guard isUsable(entry.address) else {
                report.unroutableAddresses += 1
                continue
            }
            guard kept < AddressRecord.maximumPerPeer else {
                report.surplusAddresses += 1
                continue
            }
            peer.addresses[kept] = entry
            kept += 1
        }
        peer.addresses.removeLast(peer.addresses.count - kept)
        return nil
    }

    /// Names and relayed addresses are left for a dialler to resolve.
    private func isUsable(_ address: Multiaddr) -> Bool {
        options.allowsUnroutable || address.isRelayed || scope.admits(address)
    }

    private func arrangeStamps(_ peer: inout ImportedPeer, _ report: inout ImportReport) -> RejectionReason? {
        peer.firstSeen = known(peer.firstSeen, &report)
        peer.lastSeen = known(peer.lastSeen, &report)
        peer.lastOK = known(peer.lastOK, &report)
        if let first = peer.firstSeen, let last = peer.lastSeen, first > last { return Self.disorder }
        if let ok = peer.lastOK, let last = peer.lastSeen, ok > last { peer.lastSeen = ok }
        for index in peer.addresses.indices {
            let entry = peer.addresses[index]
            guard entry.firstSeen != nil || entry.lastSeen != nil || entry.lastOK != nil else { continue }
            peer.addresses[index].firstSeen = known(entry.firstSeen, &report)
            peer.addresses[index].lastSeen = known(entry.lastSeen, &report)
            peer.addresses[index].lastOK = known(entry.lastOK, &report)
            if let first = entry.firstSeen, let last = entry.lastSeen, first > last { return Self.disorder }
        }
        let count = peer.failures.count
        peer.failures.removeAll { failure in
            known(failure.firstAt) == nil || known(failure.lastAt) == nil || failure.count <= 0
                || failure.firstAt > failure.lastAt
        }
        report.impossibleStamps += count - peer.failures.count
        return nil
    }

    private static func isNoName(_ name: String) -> Bool {
        name.isEmpty || name.utf8.contains(UInt8(ascii: "\n"))
    }

    private static let disorder = RejectionReason.contradiction("first seen after last seen")

    private func known(_ stamp: Instant?) -> Instant? {
        guard let stamp, stamp.milliseconds > 0, stamp <= latest else { return nil }
        return stamp
    }

    private func known(_ stamp: Instant?, _ report: inout ImportReport) -> Instant? {
        guard let stamp else { return nil }
        let known = known(stamp)
        if known == nil { report.impossibleStamps += 1 }
        return known
    }
}

extension ImportedPeer {
    /// The id and the addresses.
    fileprivate var withoutHistory: ImportedPeer {
        ImportedPeer(id: id, addresses: addresses.map { Address($0.address) })
    }
}
