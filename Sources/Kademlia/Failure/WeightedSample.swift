/// The `capacity` soonest of a stream of weighted elements: a weighted sample without replacement, in the order in which
/// it was drawn.
///
/// Each element draws a key, and the smallest keys win. The key `-log2(u) / w` is exponentially distributed with a rate
/// in proportion to w, and the first of such clocks to ring is i's with probability w(i) / sum(w): the same order as the
/// key `u^(1/w)` of Efraimidis and Spirakis (2006), without powers. One pass, whole numbers alone.
public struct WeightedSample<Element> {
    /// The elements that are in, soonest first.
    public var elements: [Element] { chosen.map(\.element) }

    private let capacity: Int
    private var chosen: [(key: UInt64, element: Element)] = []

    public init(capacity: Int) { self.capacity = Swift.max(0, capacity) }

    /// Offers an element. Takes one number from the generator, whatever becomes of it.
    /// - Complexity: O(log capacity), and O(capacity) when it is taken in
    public mutating func offer(
        _ element: Element, weight: UInt64, using generator: inout some RandomNumberGenerator
    ) {
        let key = Self.sampleKey(weight: weight, using: &generator)
        guard capacity > 0 else { return }
        if chosen.count == capacity {
            guard let last = chosen.last, key < last.key else { return }
            chosen.removeLast()
        }
        var low = 0
        var high = chosen.count
        while low < high {
            let middle = (low + high) / 2
            if chosen[middle].key <= key { low = middle + 1 } else { high = middle }
        }
        chosen.insert((key, element), at: low)
    }

    /// The key that an element of this weight (``SelectionWeight``) draws: smaller is sooner. A weight of 0 counts as the
    /// least there is.
    ///
    /// 40 fractional bits for a weight of one; only weights below 2^-16 saturate.
    public static func sampleKey(weight: UInt64, using generator: inout some RandomNumberGenerator) -> UInt64 {
        let weight = Swift.max(1, weight)
        let time = Powers.negativeLogarithm(generator.next())
        let high = time >> 32
        guard high < weight else { return .max }
        return weight.dividingFullWidth((high, time << 32)).quotient
    }
}

extension WeightedSample: Sendable where Element: Sendable {}
