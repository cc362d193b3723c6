import Kademlia
import TestSupport

/// A node that dials 5,000 peers over a link that fails, with the failure memory and nothing else.
///
/// Live peers answer after 100 ms and are dialled every ten minutes; a dial that is lost ends after 5 s. A dial gets
/// through when the link is up as it begins and as it is answered.
struct OutageSimulation {
    struct Peer {
        let key: Key
        let group: NetworkGroup?
        let isAlive: Bool
        var backoff: BackoffState?
        var charges = 0
        var longestStreak: Int64 = 0
    }

    enum Reason { case schedule, canary, redial }

    enum Event {
        case dial(Int)
        case answered(Int, Reason)
        case failed(Int, Reason)
        case tick
    }

    var peers: [Peer] = []
    var outage: OutageGuard
    var dials = 0
    var deadDials = 0
    var canaries = 0
    var redials = 0
    private(set) var now = Instant.after(0)
    private var generator: SeededGenerator
    private var numbers: [Key: Int] = [:]
    /// Who answered last, latest at the end: canaries.
    private var recent: [Int] = []
    private var queue = EventQueue<Event>()
    private let isUp: (Instant) -> Bool
    private let interval: Int64

    init(
        peers count: Int, alive: Double, groups: UInt32, interval: Int64 = 10 * .minute, seed: UInt64,
        isUp: @escaping (Instant) -> Bool
    ) {
        generator = SeededGenerator(seed: seed)
        outage = OutageGuard()
        self.isUp = isUp
        self.interval = interval
        for number in 0..<count {
            let group = NetworkGroup.test(UInt32.random(in: 0..<groups, using: &generator))
            let peer = Peer(
                key: .random(using: &generator), group: group,
                isAlive: Double(number) < alive * Double(count))
            peers.append(peer)
            numbers[peer.key] = number
            queue.push(.dial(number), at: now + .random(in: 0...interval, using: &generator))
        }
        queue.push(.tick, at: now + 1_000)
    }

    mutating func run(until end: Instant) {
        while let (event, time) = queue.pop(before: end) {
            now = time
            handle(event)
        }
        now = end
    }

    /// As after a kill and a start, with everything flushed: calls are void.
    mutating func restart() {
        outage = OutageGuard(held: outage.held, witnesses: outage.witnesses, canaryAt: outage.canaryAt)
        for number in peers.indices { peers[number].backoff = peers[number].backoff?.loaded() }
        queue = EventQueue()
        for number in peers.indices {
            queue.push(.dial(number), at: now + .random(in: 0...interval, using: &generator))
        }
        queue.push(.tick, at: now + 1_000)
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .dial(let number):
            let verdict = peers[number].backoff?.dialVerdict(at: now) ?? .allowed
            switch verdict {
            case .allowed: call(number, for: .schedule)
            case .trial:
                _ = peers[number].backoff?.grantTrial(at: now, using: &generator)
                call(number, for: .schedule)
            default: queue.push(.dial(number), at: now + verdict.remainingMilliseconds)
            }
        case .answered(let number, let reason):
            peers[number].backoff?.succeed(at: now)
            if peers[number].backoff?.isClean == true { peers[number].backoff = nil }
            obey(outage.answered(peers[number].key, group: peers[number].group, at: now))
            if reason == .canary { obey(outage.canary(answered: true, at: now)) }
            recent.append(number)
            if recent.count > 400 { recent.removeFirst(200) }
            if reason == .schedule { queue.push(.dial(number), at: now + interval) }
        case .failed(let number, let reason):
            obey(outage.failed(peers[number].key, group: peers[number].group, class: .timeout, at: now))
            if reason == .canary { obey(outage.canary(answered: false, at: now)) }
            if reason == .schedule {
                queue.push(.dial(number), at: now + (peers[number].backoff?.remaining(at: now) ?? 0) + 1_000)
            }
        case .tick:
            obey(outage.tick(at: now))
            queue.push(.tick, at: now + 1_000)
        }
    }

    private mutating func call(_ number: Int, for reason: Reason) {
        dials += 1
        if !peers[number].isAlive { deadDials += 1 }
        if peers[number].isAlive, isUp(now), isUp(now + 100) {
            queue.push(.answered(number, reason), at: now + 100)
        } else {
            queue.push(.failed(number, reason), at: now + 5_000)
        }
    }

    private mutating func obey(_ directives: [OutageGuard.Directive]) {
        for directive in directives {
            switch directive {
            case .held(let failure):
                guard let number = numbers[failure.key], failure.redialledAt != now else { continue }
                var state = peers[number].backoff ?? .clean(at: now)
                state.soften(failure.failureClass, held: failure.count, at: now, using: &generator)
                peers[number].backoff = state
            case .counted(let failure):
                guard let number = numbers[failure.key] else { continue }
                var state = peers[number].backoff ?? .clean(at: now)
                state.count(failure.failureClass, at: now, using: &generator)
                peers[number].backoff = state
                peers[number].charges += 1
                peers[number].longestStreak = max(peers[number].longestStreak, state.streakMilli)
            case .canary(let groups):
                canaries += 1
                let known = recent.last { number in
                    peers[number].group.map { !groups.contains($0) } ?? true
                }
                if let known { call(known, for: .canary) } else { obey(outage.canary(answered: false, at: now)) }
            case .redial(let keys):
                redials += keys.count
                for key in keys { if let number = numbers[key] { call(number, for: .redial) } }
            case .discarded, .changedWitnesses: break
            }
        }
    }
}

/// A binary heap of events, those of the same time in the order of their coming.
struct EventQueue<Event> {
    private var heap: [(time: Instant, sequence: Int, event: Event)] = []
    private var sequence = 0

    mutating func push(_ event: Event, at time: Instant) {
        sequence += 1
        heap.append((time, sequence, event))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop(before end: Instant) -> (Event, Instant)? {
        guard let first = heap.first, first.time < end else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.event, first.time)
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time, heap[left].sequence) < (heap[right].time, heap[right].sequence)
    }
}
