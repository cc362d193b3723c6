import KadStore
import Kademlia

/// What peers take to answer, all together.
public struct PopulationRTT: Hashable, Sendable {
    /// The answers that an estimate rests on at least. The first of a lookup come from the fastest of those asked: believed
    /// alone, they would have the others given up too soon.
    public static let leastSamples = 10
    /// The contacts that are asked for at a start: some microseconds each.
    static let contacts = 64

    private var smoothed: RTTEstimate?
    private var samples = 0

    init() {}

    /// What the table's contacts took when they last answered, those of far buckets first.
    init(contactsOf table: RoutingTable, in store: Store) throws(StoreError) {
        var left = Self.contacts
        for bucket in table.buckets {
            for contact in bucket.live where left > 0 {
                left -= 1
                if let rtt = try store.readableRecord(of: contact.key)?.rtt { observe(rtt.smoothed) }
            }
        }
    }

    /// Nil while too little is known.
    public var estimate: RTTEstimate? { samples >= Self.leastSamples ? smoothed : nil }

    mutating func observe(_ microseconds: Int64) {
        if smoothed == nil { smoothed = RTTEstimate(first: microseconds) } else { smoothed?.observe(microseconds) }
        samples += 1
    }
}
