import TestSupport
import Testing

@testable import Kademlia

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Whole numbers against the C library's floating point.
@Suite("Powers and logarithms in whole numbers")
struct PowersTests {
    @Test("2^-x agrees with pow, and is exact at whole exponents")
    func powers() {
        for whole in 0..<64 { #expect(Powers.power(ofHalf: UInt64(whole) << 32) == Powers.one >> UInt64(whole)) }
        #expect(Powers.power(ofHalf: 64 << 32) == 0)
        #expect(Powers.power(ofHalf: .max) == 0)
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2_000 {
            let exponent = UInt64.random(in: 0..<(20 << 32), using: &generator)
            let expected = pow(2, -Double(exponent) / 4_294_967_296)
            let found = Double(Powers.power(ofHalf: exponent)) / Double(Powers.one)
            #expect(abs(found - expected) <= expected * 1e-14 + 0x1p-58, "2^-\(exponent)")
        }
    }

    @Test("2^-x never rises with x")
    func monotone() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<2_000 {
            let exponent = UInt64.random(in: 0..<(8 << 32), using: &generator)
            #expect(Powers.power(ofHalf: exponent) > Powers.power(ofHalf: exponent + 1), "2^-\(exponent)")
        }
        // Where all bits of the exponent change.
        for shift in 1..<35 {
            let exponent: UInt64 = 1 << UInt64(shift)
            #expect(Powers.power(ofHalf: exponent - 1) > Powers.power(ofHalf: exponent))
        }
    }

    @Test("A decay over any age and half-life agrees with pow")
    func decays() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2_000 {
            let age = Int64.random(in: 0...(.max >> Int64.random(in: 0..<63, using: &generator)), using: &generator)
            let halfLife = Int64.random(
                in: 1...(.max >> Int64.random(in: 0..<62, using: &generator)), using: &generator)
            let expected = pow(2, -Double(age) / Double(halfLife))
            let found = Double(Powers.decay(age: age, halfLife: halfLife)) / Double(Powers.one)
            #expect(abs(found - expected) < 1e-9, "\(age) / \(halfLife)")
        }
        #expect(Powers.decay(age: -1, halfLife: 5) == Powers.one)
        #expect(Powers.decay(age: .min, halfLife: .min) == Powers.one)
        #expect(Powers.decay(age: 1, halfLife: 0) == 0)
        #expect(Powers.decay(age: .max, halfLife: 1) == 0)
        #expect(Powers.decay(age: .max, halfLife: .max) == Powers.one / 2)
    }

    @Test("A logarithm agrees with log2, and is never zero")
    func logarithms() {
        #expect(Powers.negativeLogarithm(1) == 64 << 40)
        #expect(Powers.negativeLogarithm(0) == 64 << 40)
        #expect(Powers.negativeLogarithm(1 << 63) == 1 << 40)
        #expect(Powers.negativeLogarithm(.max) == 1)
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<2_000 {
            let value = UInt64.random(in: 1...(.max >> UInt64.random(in: 0..<64, using: &generator)), using: &generator)
            let expected = 64 - log2(Double(value))
            let found = Double(Powers.negativeLogarithm(value)) / 1_099_511_627_776
            #expect(abs(found - expected) < 1e-11, "-log2(\(value))")
        }
    }

    @Test("A draw is uniform, within its bound, and takes one number")
    func draws() {
        var generator = SeededGenerator(seed: 5)
        var counts = [0, 0, 0, 0, 0]
        for _ in 0..<50_000 { counts[Int(generator.draw(upTo: 4))] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
        #expect(generator.draw(upTo: 0) == 0)
        #expect(generator.draw(upTo: -5) == 0)
        for _ in 0..<100 { #expect(generator.draw(upTo: .max) >= 0) }
        var one = generator
        var other = generator
        _ = one.draw(upTo: 3)
        _ = other.draw(upTo: .max)
        #expect(one == other)
    }
}
