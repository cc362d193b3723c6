import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

/// Processes that wait for the lock for writing, by a clock of the test's own: they do what ``WriteLock`` does, and nothing
/// depends on how fast the machine is.
private struct Waiting {
    private struct Waiter {
        var queue: LockQueue
        var wakesAt: Int64
        var isWaiting = false
    }

    private final class Clock {
        var now: Int64 = 1_000
    }

    let count: Int
    /// How long each has the lock, in milliseconds.
    let hold: Int64
    /// How long one is somewhere else before it comes again.
    let rest: Int64

    /// Who had the lock, in turn.
    func turns(_ turnCount: Int, _ descriptor: Int32, seed: UInt64) -> [Int] {
        var random = SeededGenerator(seed: seed)
        let clock = Clock()
        func newcomer(at time: Int64) -> Waiter {
            Waiter(queue: LockQueue(descriptor, clock: { clock.now }), wakesAt: time)
        }
        var waiters = (0..<count).map { _ in newcomer(at: clock.now) }
        var turns: [Int] = []
        var freeAt = clock.now
        while turns.count < turnCount {
            for index in waiters.indices.shuffled(using: &random) where waiters[index].wakesAt <= clock.now {
                if waiters[index].queue.isMyTurn, freeAt <= clock.now {
                    waiters[index].queue.leave()
                    turns.append(index)
                    freeAt = clock.now + hold
                    waiters[index] = newcomer(at: freeAt + rest)
                } else {
                    let isFirst = waiters[index].queue.wait()
                    waiters[index].wakesAt = clock.now + Int64(isFirst ? WriteLock.firstPause : WriteLock.pause)
                }
            }
            clock.now += 1
        }
        return turns
    }
}

@Suite("The queue for the lock for writing")
struct LockQueueTests {
    private static let isThorough = ProcessInfo.processInfo.environment["KADSTORE_THOROUGH"] == "1"

    private func withFile<Result>(_ body: (Int32) throws -> Result) throws -> Result {
        let scratch = Scratch()
        let lock = try WriteLock(database: scratch.path())
        return try withExtendedLifetime(lock) { try body(lock.descriptor) }
    }

    /// The most turns of others before, between or after those of one.
    static func longestWait(_ turns: [Int], of count: Int) -> Int {
        var longest = 0
        for waiter in 0..<count {
            var last = -1
            for (place, taker) in turns.enumerated() where taker == waiter {
                longest = max(longest, place - last - 1)
                last = place
            }
            longest = max(longest, turns.count - last - 1)
        }
        return longest
    }

    @Test(
        "gives everybody a turn before anybody a second, where turns are longer than the time between two looks at it")
    func inTurn() throws {
        for seed in Seeds.first(Self.isThorough ? 200 : 3) {
            for (count, hold) in [(2, 12), (8, 12), (8, 35), (20, 20)] as [(Int, Int64)] {
                let turns = try withFile { descriptor in
                    Waiting(count: count, hold: hold, rest: 0).turns(count * 6, descriptor, seed: seed)
                }
                // Who comes together, goes in any order.
                for start in stride(from: 0, to: turns.count, by: count) {
                    #expect(Set(turns[start..<start + count]).count == count, "seed \(seed), \(hold) ms: \(turns)")
                }
            }
        }
    }

    @Test("lets nobody starve, however short the turns are, and however soon one comes again")
    func nobodyStarves() throws {
        for seed in Seeds.first(Self.isThorough ? 200 : 3) {
            for (count, hold, rest) in [(8, 1, 0), (8, 2, 0), (8, 3, 1), (3, 1, 0), (20, 1, 2)] as [(Int, Int64, Int64)]
            {
                let turns = try withFile { descriptor in
                    Waiting(count: count, hold: hold, rest: rest).turns(count * 30, descriptor, seed: seed)
                }
                // Whoever has waited longest says so at its next look, and has the next turn: of each that came before, as many
                // turns as fit in between two looks.
                let bound = count * (WriteLock.pause / Int(hold) + 2)
                let longest = Self.longestWait(turns, of: count)
                #expect(longest <= bound, "seed \(seed), \(count) waiters, \(hold) ms: \(longest)")
            }
        }
    }

    /// Processes, and not threads: each notes its number at the end of one list while it has the lock.
    @Test("gives its turns to processes", .enabled(if: isThorough, "takes its time"))
    func processes() async throws {
        let scratch = Scratch()
        let (count, rounds) = (8, 150)
        let database = scratch.path()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask {
                    await #expect(processExitsWith: .success) {
                        [database = database as String, number = number as Int, rounds = rounds as Int] in
                        let lock = try WriteLock(database: database)
                        let list = open(database + ".turns", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                        // All of them begin together.
                        _ = write(list, [UInt8(0xff)], 1)
                        var status = stat()
                        while fstat(list, &status) == 0, status.st_size < 8 { usleep(1_000) }
                        for _ in 0..<rounds {
                            try lock.withLock(waitMilliseconds: 600_000) {
                                usleep(2_000)
                                _ = write(list, [UInt8(number)], 1)
                            }
                        }
                        close(list)
                    }
                }
            }
        }
        let turns = try Data(contentsOf: URL(fileURLWithPath: database + ".turns")).dropFirst(count).map { Int($0) }
        #expect(turns.count == count * rounds)
        // At the end fewer and fewer wait.
        let longest = Self.longestWait(Array(turns.prefix(turns.count - count * 2)), of: count)
        print("\(count) processes, \(turns.count) turns: the longest wait was \(longest) turns; \(count - 1) are ideal")
        // A machine that has no time for a process keeps it from looking at the queue, too.
        #expect(longest < rounds * (count - 1) / 2)
    }
}
