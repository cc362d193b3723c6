import Foundation
import KadStore
import Kademlia
import Multiformats

/// Every public call of a store and of a node from many tasks at once, while others close it: for the sanitizers to look on.
///
///     Stress FOLDER SECONDS [SEED]
///     Stress race                    a race on purpose: that the sanitizer finds it shows that it looks
///
/// Two stores are open on one file, as of two processes. What a closed, busy or full store answers is expected; anything
/// else, or a file that a check finds fault with, ends the run with status 1.
@main
struct Stress {
    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count == 2, arguments[1] == "race" { return await race() }
        guard arguments.count >= 3, let seconds = Double(arguments[2]) else {
            print("usage: Stress FOLDER SECONDS [SEED] | Stress race")
            exit(64)
        }
        let seed = arguments.count > 3 ? UInt64(arguments[3]) ?? 1 : 1
        let end = ContinuousClock.now + .seconds(seconds)
        var round: UInt64 = 0
        var calls = 0
        var nodeCalls = 0
        while ContinuousClock.now < end {
            round += 1
            calls += try await self.round(arguments[1], seed &+ round &* 1_000, until: end)
            let pause = min(.seconds(2), end - ContinuousClock.now)
            guard pause > .zero else { continue }
            nodeCalls += try await NodeCaller.round("\(arguments[1])/nodes-\(round)", seed &+ round, for: pause)
        }
        print("\(calls) calls of stores and \(nodeCalls) of nodes in \(round) rounds, seed \(seed)")
    }

    private static func race() async {
        let unguarded = Unguarded()
        await withTaskGroup(of: Void.self) { group in
            // Long enough that two of them run at once, even where there is much else to do.
            for _ in 0..<4 { group.addTask { for _ in 0..<5_000_000 { unguarded.count += 1 } } }
        }
        print(unguarded.count)
    }

    /// Tasks on two stores until one is closed under them, then until the other is.
    private static func round(_ folder: String, _ seed: UInt64, until end: ContinuousClock.Instant) async throws -> Int
    {
        let path = "\(folder)/stress-\(seed).db"
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds, options.syncMilliseconds) = (16, 5, 50)
        (options.queueLimit, options.keyCacheCount, options.checkpointFrames) = (2_000, 64, 64)
        options.cacheKibibytes = 256
        let stores = [
            try await Store.open(path, mode: .create(.libp2p, .private), options: options),
            try await Store.open(path, options: options),
        ]
        let pause = min(.seconds(4), end - ContinuousClock.now)
        let calls = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<12 {
                let caller = Caller(store: stores[task % 2], path: path, seed: seed &+ UInt64(task))
                group.addTask { try await caller.run() }
            }
            for store in stores {
                try await Task.sleep(for: max(.milliseconds(10), pause / 2))
                try await close(store)
            }
            return try await group.reduce(0, +)
        }
        let reader = try await Store.open(path, mode: .readOnly)
        let report = try await reader.check(full: true)
        try await reader.close()
        guard report.problems.isEmpty else { throw StressFault(what: "\(report.problems)") }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasPrefix("stress-\(seed)") {
            try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
        return calls
    }

    /// Another store may have the lock.
    private static func close(_ store: Store) async throws {
        while true {
            do {
                return try await store.close()
            } catch StoreError.locked {}
        }
    }
}

struct StressFault: Error {
    let what: String
}

private final class Unguarded: @unchecked Sendable {
    var count = 0
}
