import TestSupport
import Testing

@testable import Kademlia

@Suite("Frontier")
struct FrontierTests {
    func distance(_ number: UInt64) -> Distance { Distance(0, 0, 0, number) }

    func waiting(_ numbers: [UInt64], capacity: Int) -> Frontier {
        var frontier = Frontier(capacity: capacity, answeredLimit: 2)
        frontier.beginRefill()
        frontier.endRefill(reached: .max)
        for number in numbers { _ = frontier.insert(distance(number), depth: 1, state: .waiting) }
        return frontier
    }

    @Test("The farthest waiting peer goes when there is no room, and the horizon retreats before it")
    func overflow() {
        var frontier = waiting([5, 9, 7], capacity: 3)
        #expect(frontier.horizon == .max)
        #expect(frontier.insert(distance(6), depth: 1, state: .waiting) == 1)
        #expect(frontier.entries.map(\.distance.word3) == [5, 6, 7])
        #expect(frontier.horizon == distance(8))
        #expect(frontier.completeCount == 3)
        // Beyond the horizon nothing is promised: what is too far is none of its business.
        #expect(!frontier.concerns(distance(9)))
        #expect(frontier.insert(distance(8), depth: 1, state: .waiting) == nil)
        #expect(frontier.horizon == distance(7))
        // What is asked or has answered stays, though it is farther.
        frontier.set(distance(7), to: .asked)
        #expect(frontier.insert(distance(4), depth: 1, state: .waiting) == 0)
        #expect(frontier.entries.map(\.distance.word3) == [4, 5, 7])
        #expect(frontier.horizon == distance(5))
        #expect(frontier.completeCount == 2)
        #expect(frontier.room == 0)
    }

    @Test("A peer that is known is no newcomer, and moves no horizon")
    func duplicates() {
        var frontier = waiting([1, 2, 3], capacity: 3)
        for number: UInt64 in 1...3 {
            #expect(frontier.insert(distance(number), depth: 1, state: .waiting) == nil)
        }
        #expect(frontier.horizon == .max)
        #expect(frontier.entries.count == 3)
    }

    @Test("Only the nearest that answered are kept")
    func answered() {
        var frontier = waiting([1, 2, 3, 4], capacity: 9)
        for number: UInt64 in [4, 1, 3] { frontier.set(distance(number), to: .answered) }
        #expect(frontier.entries.map(\.distance.word3) == [1, 2, 3])
        #expect(frontier.horizon == .max)
        // Let go once, it does not come back.
        _ = frontier.insert(distance(4), depth: 1, state: .answered)
        #expect(frontier.entries.map(\.distance.word3) == [1, 2, 3])
    }

    @Test("A reading moves the horizon on, but not past a peer that was dropped meanwhile, nor over a gap")
    func readings() {
        var frontier = Frontier(capacity: 2, answeredLimit: 1)
        #expect(frontier.horizon == nil)
        frontier.beginRefill()
        frontier.endRefill(reached: distance(10))
        #expect(frontier.horizon == distance(10))

        for number: UInt64 in [3, 4] { _ = frontier.insert(distance(number), depth: 1, state: .waiting) }
        frontier.beginRefill()
        #expect(frontier.concerns(distance(15)))
        _ = frontier.insert(distance(15), depth: 1, state: .waiting)
        #expect(frontier.horizon == distance(10))
        frontier.endRefill(reached: distance(20))
        #expect(frontier.horizon == distance(14), "15 may have come to the store behind the reader's back")

        frontier.beginRefill()
        _ = frontier.insert(distance(1), depth: 1, state: .waiting)
        #expect(frontier.horizon == distance(3))
        frontier.endRefill(reached: .max)
        #expect(frontier.horizon == distance(3), "4 went, and lies before what was read")
    }

    @Test("It is the obvious one, only bounded", arguments: Seeds.first(40))
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let capacity = Int.random(in: 6...12, using: &generator)
        var frontier = waiting([], capacity: capacity)
        /// Everything ever inserted and not removed.
        var all: [UInt64: Frontier.State] = [:]
        var removed: Set<UInt64> = []
        for _ in 0..<300 {
            let number = UInt64.random(in: 0..<200, using: &generator)
            let busy = all.filter { $0.value == .asked || $0.value == .slow }
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                guard !removed.contains(number), all[number] == nil else { continue }
                all[number] = .waiting
                if frontier.concerns(distance(number)) {
                    _ = frontier.insert(distance(number), depth: 1, state: .waiting)
                }
            case 6:
                guard busy.count < 3, let entry = frontier.entries.first(where: { $0.state == .waiting }) else {
                    continue
                }
                frontier.set(entry.distance, to: .asked)
                all[entry.distance.word3] = .asked
            case 7:
                guard let number = busy.keys.sorted().randomElement(using: &generator) else { continue }
                let state: Frontier.State = Bool.random(using: &generator) ? .slow : .answered
                frontier.set(distance(number), to: state)
                all[number] = state
            default:
                guard let number = busy.keys.sorted().randomElement(using: &generator) else { continue }
                frontier.remove(distance(number))
                all[number] = nil
                removed.insert(number)
            }
            let kept = frontier.entries
            #expect(kept.count <= capacity)
            #expect(kept.map(\.distance) == kept.map(\.distance).sorted())
            #expect(kept.allSatisfy { all[$0.distance.word3] == $0.state })
            // Up to the horizon nothing is missing, save answered peers behind two nearer ones.
            let held = Set(kept.map(\.distance.word3))
            let answered = all.filter { $0.value == .answered }.keys.sorted()
            for (number, state) in all where frontier.isComplete(upTo: distance(number)) && !held.contains(number) {
                #expect(state == .answered)
                #expect(!answered.prefix(2).contains(number))
            }
            #expect(answered.prefix(2).allSatisfy(held.contains))
            #expect(busy.keys.allSatisfy { held.contains($0) || all[$0] == nil || all[$0] == .answered })
        }
    }
}
