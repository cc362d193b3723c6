/// Weighted sampling without replacement as a race (Efraimidis and Spirakis, 2006): every candidate draws a finishing
/// time from the exponential distribution with its weight as the rate, and the first to finish are the sample. The same
/// as ordering by `u^(1/w)`, descending.
///
/// Whole numbers throughout: the last bits of a library's logarithm differ between platforms, and with them decisions.
enum ExponentialRace {
    /// A finishing time: `-log2(u) / weight`, scaled; smaller is sooner. It draws one number.
    ///
    /// - Parameter weight: Q32, so 1 is 2^32; a weight of zero counts as the smallest there is.
    static func finish(weight: UInt64, using generator: inout some RandomNumberGenerator) -> UInt64 {
        let time = UInt128(negativeLog2(generator.next())) << 26 / UInt128(max(1, weight))
        return UInt64(clamping: time)
    }

    /// `-log2(u / 2^64)` in Q32, exact but for the last bit; zero counts as one.
    ///
    /// The integer part is the count of leading zeros. The fraction's bits come one after another from squaring the
    /// mantissa: whether the square reaches 2 is the next bit of the logarithm.
    static func negativeLog2(_ u: UInt64) -> UInt64 {
        let u = max(1, u)
        let zeros = u.leadingZeroBitCount
        var mantissa = u << UInt64(zeros)
        var fraction: UInt64 = 0
        for _ in 0..<32 {
            let square = mantissa.multipliedFullWidth(by: mantissa).high
            let reachesTwo = square >> 63
            fraction = fraction << 1 | reachesTwo
            mantissa = square << (1 - reachesTwo)
        }
        return UInt64(zeros + 1) << 32 - fraction
    }
}
