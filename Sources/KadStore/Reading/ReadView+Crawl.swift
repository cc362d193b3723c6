import Kademlia

/// How far crawls have come, queued visits included.
extension ReadView {
    func runningCrawl() throws -> Crawl? {
        guard var crawl = try reader.runningCrawl() else { return nil }
        for key in pendingVisits {
            guard let found = visit(of: key, in: crawl.number) else { continue }
            if let before = try reader.visit(of: key) {
                crawl.peers[before] = max(0, (crawl.peers[before] ?? 0).addingSaturated(-1))
            }
            crawl.peers[found] = (crawl.peers[found] ?? 0).addingSaturated(1)
        }
        crawl.peers = crawl.peers.filter { $0.value > 0 }
        return crawl
    }

    func visit(of key: Key) throws -> VisitOutcome? {
        guard let crawl = try reader.runningCrawl() else { return nil }
        return try visit(of: key, in: crawl.number) ?? reader.visit(of: key)
    }

    /// Peers in key order after `last` that were not visited, of `limit` stored rows; where they ended, if there may be
    /// more.
    func unvisited(after last: Key?, limit: Int) throws -> (peers: [NearestPeer], end: Key?) {
        let crawl = try reader.runningCrawl()?.number
        let page = try reader.unvisited(after: last, limit: limit)
        let end = page.rows < limit ? nil : page.last
        var byKey: [Key: NearestPeer] = [:]
        for peer in page.peers { byKey[peer.key] = peer }
        for key in pendingPeers where isBetween(last, end, key) {
            guard try reader.visit(of: key) == nil else { continue }
            do {
                byKey[key] = try record(of: key).map { record in
                    let base = AddressCodec.Base(firstSeen: record.firstSeen, lastSeen: record.lastSeen)
                    let blob = AddressCodec.encode(record.addresses, base: base) { _ in 0 }
                    return NearestPeer(peer: record.peer, addresses: AddressList(blob: blob[...]))
                }
            } catch StoreError.corrupt {
                byKey[key] = nil
            }
        }
        if let crawl {
            for key in pendingVisits where visit(of: key, in: crawl) != nil { byKey[key] = nil }
        }
        return (byKey.values.sorted { $0.key < $1.key }, end)
    }

    private func isBetween(_ last: Key?, _ end: Key?, _ key: Key) -> Bool {
        if let last, key <= last { return false }
        if let end, key > end { return false }
        return true
    }
}
