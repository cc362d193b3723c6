import Kademlia
import TestSupport
import Testing

@Suite("Outages, simulated")
struct OutageSimulationTests {
    struct Report {
        let liveCharged: Int
        let liveStreaks: Int
        let deadUnlearnt: Int
        let live: Int

        init(_ simulation: OutageSimulation) {
            let living = simulation.peers.filter(\.isAlive)
            live = living.count
            liveCharged = living.count { $0.charges > 0 }
            liveStreaks = living.count { $0.longestStreak > 4_000 }
            deadUnlearnt = simulation.peers.count { !$0.isAlive && $0.charges == 0 }
        }
    }

    static func isWithin(_ time: Instant, _ from: Int64, _ to: Int64) -> Bool {
        time >= .after(from) && time < .after(to)
    }

    @Test("An hour without a link charges no live peer, and every dead one is learnt", arguments: Seeds.first(1))
    func outage(seed: UInt64) {
        var simulation = OutageSimulation(peers: 5_000, alive: 0.6, groups: 2_000, seed: seed) {
            !Self.isWithin($0, 20 * .minute, 80 * .minute)
        }
        simulation.run(until: .after(140 * .minute))
        let report = Report(simulation)
        #expect(report.liveCharged == 0)
        #expect(report.deadUnlearnt == 0)
        #expect(simulation.canaries <= 2 * 140)
    }

    @Test(
        "Nor does an outage that is there from the start, or a restart in the middle of it", arguments: Seeds.first(2))
    func outageAcrossRestart(seed: UInt64) {
        var simulation = OutageSimulation(peers: 1_000, alive: 0.6, groups: 400, seed: seed) {
            !Self.isWithin($0, 0, 30 * .minute) && !Self.isWithin($0, 60 * .minute, 90 * .minute)
        }
        for minutes in [13, 31, 62, 75, 91] as [Int64] {
            simulation.run(until: .after(minutes * .minute))
            simulation.restart()
        }
        simulation.run(until: .after(180 * .minute))
        let report = Report(simulation)
        #expect(report.liveCharged == 0)
        #expect(report.deadUnlearnt == 0)
    }

    struct Flap: Sendable {
        let up: Int64
        let down: Int64
    }

    @Test(
        "A link that flaps charges one live peer in a hundred at most, and none to a streak of five",
        arguments: [
            Flap(up: 30, down: 30), Flap(up: 40, down: 20), Flap(up: 50, down: 8),
            Flap(up: 30, down: 4), Flap(up: 5, down: 5),
        ])
    func flapping(flap: Flap) {
        let period = (flap.up + flap.down) * 1_000
        var simulation = OutageSimulation(peers: 1_200, alive: 0.6, groups: 500, interval: 4 * .minute, seed: 1) {
            time in
            guard Self.isWithin(time, 10 * .minute, 40 * .minute) else { return true }
            return (time.milliseconds - Instant.after(0).milliseconds) % period < flap.up * 1_000
        }
        simulation.run(until: .after(50 * .minute))
        let report = Report(simulation)
        #expect(report.liveCharged * 100 <= report.live, "\(report)")
        #expect(report.liveStreaks == 0)
    }

    @Test("A node that hears an answer every five minutes still learns who is dead", arguments: Seeds.first(3))
    func trickle(seed: UInt64) {
        // Two live peers, each asked every ten minutes, among 60 dead.
        var simulation = OutageSimulation(peers: 62, alive: 2 / 62, groups: 4_000, seed: seed) { _ in true }
        simulation.run(until: .after(3 * .hour))
        #expect(Report(simulation).liveCharged == 0)
        #expect(Report(simulation).deadUnlearnt == 0)
    }

    @Test(
        "On a stale store, where nineteen in twenty are dead, the dead are learnt, at three to four dials for each charge",
        arguments: Seeds.first(1))
    func stale(seed: UInt64) {
        var simulation = OutageSimulation(peers: 600, alive: 0.05, groups: 400, seed: seed) { _ in true }
        simulation.run(until: .after(2 * .hour))
        let report = Report(simulation)
        #expect(report.liveCharged == 0)
        #expect(report.deadUnlearnt == 0)
        // An answer comes every twelve seconds, too seldom to settle anything: what fails waits for its redial, and may
        // be dialled once more meanwhile.
        let charges = simulation.peers.reduce(0) { $0 + $1.charges }
        #expect(simulation.deadDials <= charges * 4, "\(simulation.deadDials) dials, \(charges) charges")
    }
}
