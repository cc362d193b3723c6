extension SelectionWeight {
    /// The key that an element of this weight draws: taken in the order of their keys, the smallest first, elements are a
    /// weighted sample without replacement.
    ///
    /// The key `-log2(u) / w` is exponentially distributed with a rate in proportion to w, and the first of such clocks to
    /// ring is i's with probability w(i) / sum(w): the same order as the key `u^(1/w)` of Efraimidis and Spirakis (2006),
    /// without powers, and in whole numbers alone. A weight of 0 counts as the least there is.
    ///
    /// 40 fractional bits for a weight of one; only weights below 2^-16 saturate. Takes one number from the generator.
    public static func sampleKey(weight: UInt64, using generator: inout some RandomNumberGenerator) -> UInt64 {
        let weight = Swift.max(1, weight)
        let time = Powers.negativeLogarithm(generator.next())
        let high = time >> 32
        guard high < weight else { return .max }
        return weight.dividingFullWidth((high, time << 32)).quotient
    }
}
