import Kademlia
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("Whom to ask first")
struct SelectionTests {
    /// The formula in floating point.
    static func oracle(streak: Double, lastOK: Int64?, lastTried: Int64?) -> Double {
        let limit = Double(10 * Int64.minute)
        var weight = pow(0.66, min(streak, 8))
        if let tried = lastTried, Double(tried) >= -limit, Double(tried) < limit { weight *= 0.01 }
        var freshness = 0.0
        if let ok = lastOK, Double(ok) >= -limit { freshness = pow(2, -max(0, Double(ok)) / Double(2 * Int64.day)) }
        return weight * max(0.05, freshness)
    }

    @Test("The weight agrees with its formula in floating point")
    func weights() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<5_000 {
            let now = Instant.after(0)
            func age() -> Int64? {
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: nil
                case 1: .random(in: -20 * .minute...20 * .minute, using: &generator)
                default: .random(in: 0...30 * .day, using: &generator)
                }
            }
            let (lastOK, lastTried) = (age(), age())
            let streak = Int64.random(in: 0...12_000, using: &generator)
            let state = BackoffState(streakMilli: streak, streakAt: now, lastClass: .timeout)
            let isKnown = Bool.random(using: &generator)
            let found = SelectionWeight.weight(
                backoff: isKnown ? state : nil, lastOK: lastOK.map { now - $0 }, lastTried: lastTried.map { now - $0 },
                at: now)
            let expected = Self.oracle(
                streak: isKnown ? Double(streak) / 1_000 : 0, lastOK: lastOK, lastTried: lastTried)
            let error = abs(Double(found) / 4_294_967_296 - expected)
            #expect(error < 1e-9 + expected * 1e-6, "\(streak), \(String(describing: lastOK))")
            #expect(found > 0 && found <= SelectionWeight.one)
        }
        #expect(
            SelectionWeight.weight(backoff: nil, lastOK: .after(0), lastTried: nil, at: .after(0))
                == SelectionWeight.one)
    }

    @Test("The weight falls with failures and silence, and never reaches zero")
    func order() {
        let now = Instant.after(0)
        var last = UInt64.max
        for streak in Int64(0)...20 {
            let state = BackoffState(streakMilli: streak * 1_000, streakAt: now, lastClass: .timeout)
            let weight = SelectionWeight.weight(backoff: state, lastOK: now, lastTried: nil, at: now)
            #expect(streak > 8 ? weight == last : weight < last)
            last = weight
        }
        last = .max
        for hours in Int64(0)...400 {
            let weight = SelectionWeight.weight(backoff: nil, lastOK: now - hours * .hour, lastTried: nil, at: now)
            #expect(weight <= last)
            last = weight
        }
        #expect(abs(Double(last) / 4_294_967_296 - 0.05) < 1e-9)
    }

    @Test("Keys order a sample as its weights say: the first is each one's in proportion")
    func firstDraw() {
        let weights: [UInt64] = [SelectionWeight.one, SelectionWeight.one / 2, SelectionWeight.one / 10, 1]
        let sum = Double(weights.reduce(0, +))
        var firsts = [0, 0, 0, 0]
        var seconds = [0, 0, 0, 0]
        var generator = SeededGenerator(seed: 1)
        let rounds = 40_000
        for _ in 0..<rounds {
            let keys = weights.map { SelectionWeight.sampleKey(weight: $0, using: &generator) }
            let order = keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
            firsts[order[0]] += 1
            seconds[order[1]] += 1
        }
        for (index, weight) in weights.enumerated() {
            let expected = Double(weight) / sum
            #expect(abs(Double(firsts[index]) / Double(rounds) - expected) < 0.01, "\(firsts)")
        }
        // Without replacement: P(1 second) = w0/S * w1/(S - w0) + w2/S * w1/(S - w2).
        let (first, second, third) = (1 / 1.6, 0.5 / 1.6, 0.1 / 1.6)
        let expected = first * 0.5 / 0.6 + third * second / (1 - third)
        #expect(abs(Double(seconds[1]) / Double(rounds) - expected) < 0.01, "\(seconds)")
    }

    @Test("Any weight and any draw give a key")
    func extremes() {
        struct Fixed: RandomNumberGenerator {
            let value: UInt64
            mutating func next() -> UInt64 { value }
        }
        for weight in [UInt64.min, 1, 2, 1 << 16, SelectionWeight.one, .max] {
            var last = UInt64.max
            for value in [UInt64.min, 1, 2, 1 << 32, 1 << 63, .max - 1, .max] {
                var generator = Fixed(value: value)
                let key = SelectionWeight.sampleKey(weight: weight, using: &generator)
                #expect(key <= last)
                last = key
            }
        }
    }
}
