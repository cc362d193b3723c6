import Kademlia
import TestSupport
import Testing

@Suite("WarmStart")
struct WarmStartTests {
    typealias Candidate = WarmStart.Candidate

    @Test("An empty store asks for bootstrap peers at once, and has finished")
    func empty() {
        var generator = SeededGenerator(seed: 1)
        var warm = WarmStart(candidates: [], lastMark: nil, at: .seconds(0), using: &generator)
        #expect(warm.plan.isEmpty)
        #expect(warm.nextTick == .seconds(0))
        #expect(warm.poll(at: .seconds(0)) == [.bootstrap, .finished])
        #expect(warm.isFinished && warm.nextTick == nil)
        #expect(warm.poll(at: .seconds(1)) == [])
    }

    @Test("Every start ends, whatever becomes of its probes", arguments: Seeds.first(30))
    func ends(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let count = Int.random(in: 0...200, using: &generator)
        let candidates = WarmStore.random(count, using: &generator)
        let warm = WarmStart(candidates: candidates, lastMark: WarmStore.mark, at: .seconds(7), using: &generator)
        let run = WarmRun.drive(warm, at: .seconds(7)) { _ in
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: .fails(.random(in: 0...5000, using: &generator))
            case 1: .isSkipped
            case 2: .isLost
            default: .answers(.random(in: 0...2000, using: &generator))
            }
        }
        #expect(run.finishedAt != nil)
        #expect(run.bootstrapAt.count <= 1)
        let outcomes = run.statistics
        #expect(outcomes.answered + outcomes.failed + outcomes.skipped == outcomes.planned)
        #expect(outcomes.planned == warm.plan.count && outcomes.probed == run.sent.count)
        #expect(Set(run.sent.map(\.key)).count == run.sent.count)
    }
}
