import KadStore
import Kademlia

/// A slow walk over what is our own, a page at a time, and what of it is due. When something was last told is in the store,
/// so a restart neither forgets it nor tells everything at once.
struct PublishingRound {
    /// Rows of one page: what is read and may wait to be told. Memory is bounded by it, however much is our own.
    static let pageRows = 64
    /// Between two pages of a round, and between two rounds, in milliseconds: with the time of a round, some minutes, far less
    /// than what the interval leaves of the shortest lifetime. What could not be told is tried again in the next round.
    static let pageMilliseconds: Int64 = 1_000
    static let roundMilliseconds: Int64 = 600_000

    /// Where a round goes on.
    enum Place {
        case values(after: [UInt8]?)
        case providers(after: ProviderPlace?)
    }

    let configuration: PublishingConfiguration
    /// Makes the jitter of each thing, so that nothing but its stamp has to be remembered of it.
    private let salt: UInt64
    private var place = Place.values(after: nil)
    /// Due, in the order in which they were found.
    private var waiting: [Publication] = []
    /// Being told.
    private(set) var running: Set<Publication> = []
    /// When the walk goes on; nil while what it found waits.
    private(set) var nextTick: Uptime?
    /// From the last page, and what it found, to the next one.
    private var pause = PublishingRound.pageMilliseconds

    init(
        configuration: PublishingConfiguration, at now: Uptime, using generator: inout some RandomNumberGenerator
    ) {
        self.configuration = configuration
        salt = generator.next()
        nextTick = now.advanced(byMilliseconds: Self.pageMilliseconds)
    }

    /// Reads the next page, if it is time.
    ///
    /// - Parameters:
    ///   - peer: who publishes. What other identities of one file provide is theirs to tell.
    ///   - age: how old a stamp is; nil when it says nothing.
    mutating func tick(
        _ store: Store, of peer: Peer, at now: Uptime, age: (Instant) -> Int64?
    ) throws(StoreError) {
        guard let due = nextTick, due <= now else { return }
        // Whatever the store does: another page is read only later.
        nextTick = now.advanced(byMilliseconds: Self.roundMilliseconds)
        let next: Place
        var isEnd = false
        switch place {
        case .values(let after):
            let page = try store.ownValues(after: after, limit: Self.pageRows)
            take(page.values.map { (.value(key: $0.key), $0.receivedAt) }, age)
            next = page.next.map { .values(after: $0) } ?? .providers(after: nil)
        case .providers(let after):
            let page = try store.ownProviders(after: after, limit: Self.pageRows)
            let own = page.providers.filter { $0.peer.key == peer.key }
            take(own.map { (.provider(key: $0.key), $0.receivedAt) }, age)
            isEnd = page.next == nil
            next = page.next.map { .providers(after: $0) } ?? .values(after: nil)
        }
        place = next
        pause = isEnd ? Self.roundMilliseconds : Self.pageMilliseconds
        nextTick = waiting.isEmpty ? now.advanced(byMilliseconds: pause) : nil
    }

    /// What is to be told now.
    mutating func next() -> Publication? {
        guard running.count < max(1, configuration.concurrent), !waiting.isEmpty else { return nil }
        let publication = waiting.removeFirst()
        running.insert(publication)
        return publication
    }

    /// Somebody tells it already.
    mutating func began(_ publication: Publication) {
        running.insert(publication)
        waiting.removeAll { $0 == publication }
    }

    /// It was told, or could not be.
    mutating func ended(_ publication: Publication, at now: Uptime) {
        running.remove(publication)
        guard waiting.isEmpty, nextTick == nil else { return }
        nextTick = now.advanced(byMilliseconds: pause)
    }

    private mutating func take(_ rows: [(Publication, Instant)], _ age: (Instant) -> Int64?) {
        for (publication, stamp) in rows where !running.contains(publication) && !waiting.contains(publication) {
            // A stamp of the future says nothing of when it was told.
            if let age = age(stamp), age < wait(of: publication, stamp) { continue }
            waiting.append(publication)
        }
    }

    /// How long after a stamp it is due.
    private func wait(of publication: Publication, _ stamp: Instant) -> Int64 {
        let key =
            switch publication {
            case .value(let key), .provider(let key): key
            }
        // FNV-1a, and a generator that makes its low bits as good as any.
        let digest = key.reduce(salt ^ UInt64(bitPattern: stamp.milliseconds)) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        var generator = SeededGenerator(seed: digest)
        let jitter = Int64.random(in: 0...max(0, configuration.jitterMilliseconds), using: &generator)
        return configuration.intervalMilliseconds.subtractingReportingOverflow(jitter).partialValue
    }
}
