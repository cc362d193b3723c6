/// Quantiles of distributions from tables of integers: every platform draws the same to the last bit.
public enum Distribution {
    /// A lognormal value: `median · e^(sigma · z)`, with z standard normal, cut at 2.9 deviations on either side.
    ///
    /// - Parameters:
    ///   - median: any non-negative number below 2^40.
    ///   - sigmaMilli: the deviation of the logarithm, in thousandths, at most 4,000.
    ///   - uniform: 64 uniform bits.
    public static func lognormal(median: Int64, sigmaMilli: Int64, uniform: UInt64) -> Int64 {
        let exponent = (normal(uniform) * sigmaMilli / 1_000 * log2OfE) >> 16
        let (factor, shift) = exp2(exponent)
        let product = median * factor
        return shift >= 0 ? (product >> 16) << shift : product >> (16 - shift)
    }

    /// A standard normal value in 1/65,536.
    static func normal(_ uniform: UInt64) -> Int64 {
        // One bit decides the sign, 6 the interval, 16 the place in it.
        let interval = Int((uniform >> 57) & 63)
        let place = Int64((uniform >> 41) & 0xffff)
        let low = upperQuantiles[interval]
        let value = low + ((upperQuantiles[interval + 1] - low) * place) >> 16
        return uniform >> 63 == 0 ? value : -value
    }

    /// `2^(exponent / 65,536)` as a factor in 1/65,536 between 1 and 2, and a power of two.
    static func exp2(_ exponent: Int64) -> (factor: Int64, shift: Int64) {
        let fraction = exponent & 0xffff
        let interval = Int(fraction >> 11)
        let low = powers[interval]
        return (low + ((powers[interval + 1] - low) * (fraction & 0x7ff)) >> 11, exponent >> 16)
    }

    /// log2(e) in 1/65,536.
    private static let log2OfE: Int64 = 94_548

    /// The standard normal quantiles of 1/2 + i/128 in 1/65,536; the last is that of 1 - 1/512.
    private static let upperQuantiles: [Int64] = [
        0, 1_283, 2_567, 3_852, 5_139, 6_427, 7_718, 9_012, 10_310, 11_611, 12_917, 14_228, 15_545, 16_869, 18_199,
        19_536, 20_882, 22_237, 23_601, 24_976, 26_362, 27_759, 29_170, 30_594, 32_032, 33_487, 34_958, 36_446,
        37_954, 39_482, 41_032, 42_605, 44_203, 45_828, 47_482, 49_166, 50_884, 52_637, 54_428, 56_262, 58_140,
        60_067, 62_048, 64_087, 66_191, 68_364, 70_616, 72_954, 75_389, 77_933, 80_600, 83_408, 86_377, 89_536,
        92_917, 96_565, 100_540, 104_924, 109_834, 115_453, 122_076, 130_248, 141_156, 158_437, 189_113,
    ]

    /// 2^(i/32) in 1/65,536: between two of them a straight line errs by less than 6 in 100,000.
    private static let powers: [Int64] = [
        65_536, 66_971, 68_438, 69_936, 71_468, 73_032, 74_632, 76_266, 77_936, 79_642, 81_386, 83_169, 84_990,
        86_851, 88_752, 90_696, 92_682, 94_711, 96_785, 98_905, 101_070, 103_283, 105_545, 107_856, 110_218, 112_631,
        115_098, 117_618, 120_194, 122_825, 125_515, 128_263, 131_072,
    ]
}
