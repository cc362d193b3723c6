/// Powers of two with fractional exponents, and logarithms to base two, in whole numbers alone: every platform takes the
/// same decision. The C library's `pow` and `log` differ in the last bit from one to the next.
enum Powers {
    /// One, in the fixed point of ``power(ofHalf:)``: 63 fractional bits.
    static let one: UInt64 = 1 << 63

    /// 2^(-2^-i) for i = 1...32, with 64 fractional bits, rounded to nearest.
    private static let roots: [UInt64] = [
        0xb504_f333_f9de_6484, 0xd744_fcca_d69d_6af4, 0xeac0_c6e7_dd24_392f,
        0xf525_7d15_2486_cc2c, 0xfa83_b2db_722a_033a, 0xfd3e_0c0c_f486_c175,
        0xfe9e_115c_7b8f_884c, 0xff4e_cb59_511e_c8a5, 0xffa7_5652_1c8d_aed2,
        0xffd3_a751_c0f7_e10c, 0xffe9_d2b2_f7db_2756, 0xfff4_e91b_ff1b_8c3e,
        0xfffa_747e_a004_0664, 0xfffd_3a3b_7814_eb54, 0xfffe_9d1c_c60d_dab1,
        0xffff_4e8e_2587_9bfa, 0xffff_a747_0363_f451, 0xffff_d3a3_7dda_0313,
        0xffff_e9d1_bdf7_03af, 0xffff_f4e8_debe_025e, 0xffff_fa74_6f4f_a150,
        0xffff_fd3a_37a3_f8b0, 0xffff_fe9d_1bd1_065a, 0xffff_ff4e_8de8_45ae,
        0xffff_ffa7_46f4_1377, 0xffff_ffd3_a37a_05e4, 0xffff_ffe9_d1bd_01fc,
        0xffff_fff4_e8de_80c0, 0xffff_fffa_746f_4051, 0xffff_fffd_3a37_a025,
        0xffff_fffe_9d1b_d011, 0xffff_ffff_4e8d_e808,
    ]

    /// 2^-exponent, with 63 fractional bits; `exponent` has 32. Off by less than 2^-58, never more than one, and never
    /// rises with the exponent.
    ///
    /// Each set bit of the fraction is one multiplication by a root from the table.
    static func power(ofHalf exponent: UInt64) -> UInt64 {
        let whole = exponent >> 32
        guard whole < 64 else { return 0 }
        let fraction = UInt32(truncatingIfNeeded: exponent)
        var power = one
        for (index, root) in roots.enumerated() where fraction & (1 << UInt32(31 - index)) != 0 {
            power = power.multipliedFullWidth(by: root).high
        }
        return power >> whole
    }

    /// 2^-(age / halfLife): what is left of one after `age`. A half-life of nothing leaves nothing.
    static func decay(age: Int64, halfLife: Int64) -> UInt64 {
        guard age > 0 else { return one }
        guard halfLife > 0 else { return 0 }
        let (whole, rest) = UInt64(age).quotientAndRemainder(dividingBy: UInt64(halfLife))
        guard whole < 64 else { return 0 }
        // rest < halfLife, so the quotient fits in 32 bits.
        let fraction = UInt64(halfLife).dividingFullWidth((rest >> 32, rest << 32)).quotient
        return power(ofHalf: whole << 32 | fraction)
    }

    /// `value` times a fraction that ``power(ofHalf:)`` returned, rounded down.
    static func scale(_ value: UInt64, by fraction: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: fraction)
        return product.high << 1 | product.low >> 63
    }

    /// The fractional bits of the logarithms.
    static let logarithmBits: UInt64 = 40

    /// -log2(value / 2^64), with 40 fractional bits, rounded up: more than 0, at most 64. A value of 0 counts as 1.
    ///
    /// The digits of the logarithm come one by one, by squaring the mantissa.
    static func negativeLogarithm(_ value: UInt64) -> UInt64 {
        let value = Swift.max(1, value)
        let zeros = UInt64(value.leadingZeroBitCount)
        var mantissa = value << zeros
        var fraction: UInt64 = 0
        for _ in 0..<logarithmBits {
            let square = mantissa.multipliedFullWidth(by: mantissa)
            let reachesTwo = square.high >> 63 == 1
            mantissa = reachesTwo ? square.high : square.high << 1 | square.low >> 63
            fraction = fraction << 1 | (reachesTwo ? 1 : 0)
        }
        return (zeros + 1) << logarithmBits - fraction
    }
}

extension RandomNumberGenerator {
    /// A whole number of 0...bound, by the high half of a product: one draw whatever the bound, so that a decision takes
    /// the same share of the sequence each time. The bias, bound / 2^64, is far below what anybody could measure.
    mutating func draw(upTo bound: Int64) -> Int64 {
        let range = UInt64(Swift.max(0, bound)) + 1
        return Int64(next().multipliedFullWidth(by: range).high)
    }
}
