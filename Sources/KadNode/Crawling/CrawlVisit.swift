import KadEngine
import Kademlia

/// What a crawl asks of one peer: bucket after bucket, until nothing new comes.
///
/// An answer to a target in bucket i holds the peers of that bucket, and where these are fewer than k, nearer ones. So once
/// the buckets are not full any more, one answer tells what is left, and the next ones bring nothing new.
struct CrawlVisit {
    /// Answers in a row without anybody new that end a visit. One would do for a table without gaps; peers that split their
    /// buckets otherwise than Kademlia has it leave holes in the middle.
    static let quietAnswers = 2
    /// The most peers that one visit may name: an honest table has no more in the buckets that are asked for, 20 in each.
    static let maximumNamed = 20 * (BucketTargets.deepest + 1) + 20

    private(set) var bucket = 0
    private(set) var answers = 0
    private var quiet = 0
    private(set) var named: Set<Key> = []

    /// Whether there is anything to ask.
    var isOver: Bool {
        bucket > BucketTargets.deepest || quiet >= Self.quietAnswers || named.count >= Self.maximumNamed
    }

    /// The peer answered for ``bucket``.
    ///
    /// - Returns: those that it names for the first time.
    mutating func answered(naming keys: some Sequence<Key>) -> Set<Key> {
        var new: Set<Key> = []
        for key in keys where named.count < Self.maximumNamed {
            if named.insert(key).inserted { new.insert(key) }
        }
        quiet = new.isEmpty ? quiet + 1 : 0
        answers += 1
        bucket += 1
        return new
    }

    /// There is no target for ``bucket``.
    mutating func passedOver() { bucket += 1 }
}
