import KadEngine
import KadStore
import Kademlia
import Testing

@testable import KadNode

@Suite("Whom a crawl asks, and for what")
struct CrawlPlanTests {
    @Test(
        "targets share exactly as many bits with a peer as the bucket says, and hash to their keys", arguments: [1, 2])
    func targets(seed: UInt64) throws {
        var targets = BucketTargets(network: .libp2p, prefix: [0x12, 0x20], seed: seed)
        var generator = SeededGenerator(seed: seed)
        for round in 0..<200 {
            let key = Key.random(using: &generator)
            // Deep ones take many hashes in a debug build: they are tried with one peer.
            for bucket in 0...(round == 0 ? BucketTargets.deepest : 9) {
                let found = targets.target(bucket: bucket, of: key)
                let target = try #require(found, "seed \(seed)")
                #expect(target.key.commonPrefixLength(with: key) == bucket, "seed \(seed)")
                let preimage = try #require(target.preimage)
                #expect(preimage.count == 34 && preimage.starts(with: [0x12, 0x20]))
                #expect(Network.libp2p.target(hashing: preimage) == target.key)
            }
            #expect(targets.target(bucket: BucketTargets.deepest + 1, of: key) == nil)
            #expect(targets.target(bucket: -1, of: key) == nil)
        }
    }

    @Test("where ids are keys, targets are keys of the network's width")
    func identityTargets() throws {
        var targets = BucketTargets(network: .mainline, prefix: [], seed: 3)
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<50 {
            let key = Key.random(using: &generator).prefix(160, followedBy: .zero)
            for bucket in 0...BucketTargets.deepest {
                let found = targets.target(bucket: bucket, of: key)
                let target = try #require(found)
                #expect(target.preimage == nil && target.key.commonPrefixLength(with: key) == bucket)
                #expect(target.key == target.key.prefix(160, followedBy: .zero))
            }
        }
    }

    @Test("a visit ends when buckets bring nobody new, and is bounded whatever is named")
    func visit() {
        var generator = SeededGenerator(seed: 4)
        var visit = CrawlVisit()
        let first = (0..<20).map { _ in Key.random(using: &generator) }
        #expect(visit.answered(naming: first) == Set(first))
        #expect(visit.answered(naming: first) == [] && !visit.isOver)
        // A hole in the middle of a table is not its end.
        let more = Key.random(using: &generator)
        #expect(visit.answered(naming: first + [more]) == [more])
        #expect(visit.bucket == 3)
        _ = visit.answered(naming: first)
        _ = visit.answered(naming: [])
        #expect(visit.isOver && visit.answers == 5)

        var flooded = CrawlVisit()
        while !flooded.isOver {
            _ = flooded.answered(naming: (0..<1_000).map { _ in Key.random(using: &generator) })
        }
        #expect(flooded.named.count == CrawlVisit.maximumNamed)
        var endless = CrawlVisit()
        while !endless.isOver { _ = endless.answered(naming: [Key.random(using: &generator)]) }
        #expect(endless.answers == BucketTargets.deepest + 1)
    }

    @Test("everybody is handed out once, in order, a few at a time", arguments: [1, 2, 3])
    func frontier(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var frontier = CrawlFrontier(parallel: 7, maximumPeers: 3_000)
        var model: [Key] = []
        var known: Set<Key> = []
        var handedOut: [Key] = []
        var underWay: [Key] = []
        for _ in 0..<12_000 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0, 1:
                let isOld = !model.isEmpty && Bool.random(using: &generator)
                let key = isOld ? model.randomElement(using: &generator) ?? .zero : Key.random(using: &generator)
                let isNew = !known.contains(key) && model.count < 3_000
                #expect(frontier.found(key) == isNew, "seed \(seed)")
                if isNew {
                    model.append(key)
                    known.insert(key)
                }
            case 2:
                if let key = frontier.next() {
                    handedOut.append(key)
                    underWay.append(key)
                }
            default:
                if let key = underWay.popLast() { frontier.ended(key) }
            }
            #expect(underWay.count <= 7 && frontier.underWay.count == underWay.count, "seed \(seed)")
        }
        for key in underWay { frontier.ended(key) }
        while let key = frontier.next() {
            handedOut.append(key)
            frontier.ended(key)
        }
        #expect(handedOut == model, "seed \(seed)")
        #expect(frontier.isOver && frontier.isTruncated == (model.count == 3_000))
    }

    @Test("who was settled is not handed out")
    func settled() {
        var frontier = CrawlFrontier(parallel: 2, maximumPeers: 10)
        frontier.settled(Key(1, 0, 0, 0))
        #expect(!frontier.found(Key(1, 0, 0, 0)) && frontier.next() == nil && frontier.isOver)
    }
}
