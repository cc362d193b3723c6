import Foundation
import Kademlia
import Synchronization
import TestSupport
import Testing

@testable import KadStore

/// How long the tests of crashes take: a sample of all moments, or every one, and the figures.
enum Thorough {
    static let isAsked = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    /// What the quick form looks at after a power cut, drawn anew for each.
    static let quickImages = 3

    /// Every number from 1 to `count`, or a sample of them.
    static func moments(_ count: Int, sample: Int, using generator: inout SeededGenerator) -> [Int] {
        let all = Array(1...max(1, count))
        return isAsked || count <= sample ? all : Array(all.shuffled(using: &generator).prefix(sample)).sorted()
    }

    static func report(_ text: String) {
        if isAsked { print(text) }
    }
}

@Suite("A power cut at any write") struct CrashTests {
    @Test(
        "leaves a sound store with all that was acknowledged, and nothing half", arguments: Workload.all, Seeds.first(1)
    )
    func powerCut(workload: Workload, seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let trial = try await Trial(workload)
        let count = try await trial.count(.changes)
        var images = 0
        var lost = 0
        for moment in Thorough.moments(count, sample: 2, using: &generator) {
            let outcome = try await trial.cutPower(at: moment, using: &generator)
            images += outcome.images
            lost += outcome.problems.count
            for problem in outcome.problems { Issue.record("\(problem)") }
        }
        Thorough.report("crash: \(workload): power cut at \(count) moments, \(images) disks, \(lost) lost something")
    }

    @Test("after something was acknowledged takes nothing of it", arguments: Workload.all)
    func acknowledged(workload: Workload) async throws {
        let outcome = try await Trial(workload).cutPowerOnceAcknowledged()
        #expect(outcome.images > 0)
        for problem in outcome.problems { Issue.record("\(problem)") }
        Thorough.report("crash: \(workload): power cut after each of \(outcome.images) acknowledgements")
    }

    /// What these tests are worth: a disk that acknowledges syncs which it does not do loses what was acknowledged.
    @Test("is noticed where it does take something", arguments: [FaultyDisk.Lies.log, .database])
    func lies(whose: FaultyDisk.Lies) async throws {
        var generator = SeededGenerator(seed: 1)
        let trial = try await Trial(whose == .log ? Workload.batches : Workload.checkpoints)
        let count = try await trial.count(.changes)
        var problems: [String] = []
        for moment in stride(from: count, to: 0, by: -max(1, count / 12)) where problems.isEmpty {
            problems += try await trial.cutPower(at: moment, lies: whose, using: &generator).problems
        }
        #expect(!problems.isEmpty)
    }
}

@Suite("A disk that fails") struct DiskFaultTests {
    /// Everything that fails at a time, once or from then on.
    struct Case: Sendable, CustomStringConvertible {
        let fault: FaultyDisk.Fault
        let operations: FaultyDisk.Operations
        let forever: Bool

        var description: String { "\(fault)\(operations == .sync ? " of syncs" : "")\(forever ? " and on" : "")" }
    }

    private static let cases = [
        Case(fault: .error, operations: .changes, forever: false),
        Case(fault: .error, operations: .changes, forever: true),
        Case(fault: .full, operations: [.write, .create], forever: true),
        Case(fault: .short, operations: .write, forever: false),
        Case(fault: .error, operations: .sync, forever: false),
    ]

    @Test(
        "is told of as such; what was acknowledged is there, and the rest comes when it works again",
        arguments: Workload.all)
    func faults(workload: Workload) async throws {
        let trial = try await Trial(workload)
        var generator = SeededGenerator(seed: Seeds.first(1)[0] &+ UInt64(workload.name.utf8.count))
        let kinds = Thorough.isAsked ? Self.cases : Array(Self.cases.shuffled(using: &generator).prefix(2))
        for kind in kinds {
            let count = try await trial.count(kind.operations)
            var faults = 0
            var lost = 0
            for moment in Thorough.moments(count, sample: 1, using: &generator) {
                let outcome = try await trial.fail(
                    kind.fault, kind.operations, at: moment, forever: kind.forever)
                faults += outcome.faults
                lost += outcome.problems.count
                for problem in outcome.problems { Issue.record("\(problem)") }
            }
            Thorough.report("crash: \(workload): \(kind): \(faults) faults, \(lost) lost something")
        }
    }

    /// Each of them, also in the quick form: what a failed sync takes shows only when the power fails later.
    @Test(
        "in any one sync takes nothing that was acknowledged",
        arguments: [Workload.batches, Workload.checkpoints, Workload.migration(from: "V0003")])
    func syncs(workload: Workload) async throws {
        let trial = try await Trial(workload)
        let count = try await trial.count(.sync)
        #expect(count > 3)
        for moment in 1...count {
            let outcome = try await trial.fail(.error, .sync, at: moment, forever: false)
            #expect(outcome.faults == 1)
            for problem in outcome.problems { Issue.record("\(problem)") }
        }
    }

    @Test("never answers wrongly: a read that fails is an error, and the next one works")
    func reads() async throws {
        let template = try FaultyDisk.newFolder()
        try await Workload.fill(template.path + "/a.db", peers: 600)
        let expected = try await Answers(template.path + "/a.db")
        let disk = try FaultyDisk(copying: template.path)
        _ = try await Answers(disk.path("a.db"))
        var generator = SeededGenerator(seed: Seeds.first(1)[0])
        var faults = 0
        for moment in Thorough.moments(disk.count(.reads), sample: 8, using: &generator) {
            let disk = try FaultyDisk(copying: template.path)
            disk.plan(.error, .reads, from: moment, through: moment)
            do {
                let answers = try await Answers(disk.path("a.db"))
                let isSame = answers == expected
                #expect(isSame, "read \(moment): \(answers.counts), not \(expected.counts); \(answers.problems)")
            } catch let error as StoreError {
                #expect(error.isOfTheDisk, "read \(moment): \(error)")
            }
            faults += disk.injected
            disk.heal()
            let isSame = try await Answers(disk.path("a.db")) == expected
            #expect(isSame, "after read \(moment)")
        }
        Thorough.report("crash: \(faults) reads failed, none was answered wrongly")
    }
}

/// What a store answers, one read after the other.
private struct Answers: Equatable {
    var counts: [Int] = []
    var records: [PeerRecord] = []
    var keys: [Key] = []
    var value: StoredValue?
    var problems: [String] = []

    init(_ path: String) async throws {
        let store = try await Store.open(path, options: Workload.options())
        do {
            try await ask(store)
        } catch {
            try? await store.close()
            throw error
        }
        try await store.close()
    }

    private mutating func ask(_ store: Store) async throws {
        counts = [try store.peerCount(), try store.countPeers()]
        for number in stride(from: 0, to: 600, by: 50) {
            let key = Workload.key(number)
            if let record = try store.record(of: key) { records.append(record) }
            keys += try store.nearest(to: key, count: 20).peers.map(\.peer.key)
        }
        var last: Key?
        repeat {
            let page = try store.peers(after: last, limit: 200)
            records += page.peers
            counts.append(page.damaged.count)
            last = page.next
        } while last != nil
        value = try store.value(Array("long-3".utf8), at: .seconds(5))
        counts.append(try store.candidates().candidates.count)
        problems = try await store.check(full: true).problems.map(\.text)
    }
}
