/// What is remembered of time itself: what ``ClockGuard`` starts from.
public struct ClockMark: Hashable, Sendable {
    /// The latest time that was seen, of a clock that was believed.
    public var highWater: Instant
    /// How long nodes have been running in all, in milliseconds: the time that ages are counted in.
    public var onlineMilliseconds: Int64
    /// The operating system's id of the boot that the mark was taken in, where it has one.
    public var bootID: String?
    /// When that boot was, by the clock that ``highWater`` is of.
    public var bootedAt: Instant?
    /// Whether ``highWater`` may go back: the clock had been ahead, and that is known now. A word to whoever writes the
    /// mark, not stored itself.
    public var isCorrection: Bool

    public init(
        highWater: Instant, onlineMilliseconds: Int64 = 0, bootID: String? = nil, bootedAt: Instant? = nil,
        isCorrection: Bool = false
    ) {
        self.highWater = highWater
        self.onlineMilliseconds = onlineMilliseconds
        self.bootID = bootID
        self.bootedAt = bootedAt
        self.isCorrection = isCorrection
    }

    /// What a later mark makes of this one: time only goes forward, unless the later one corrects it. A mark that follows
    /// an unwritten correction is one itself.
    public func followed(by mark: ClockMark) -> ClockMark {
        ClockMark(
            highWater: mark.isCorrection ? mark.highWater : Swift.max(highWater, mark.highWater),
            onlineMilliseconds: Swift.max(onlineMilliseconds, mark.onlineMilliseconds), bootID: mark.bootID,
            bootedAt: mark.bootedAt, isCorrection: isCorrection || mark.isCorrection)
    }
}
