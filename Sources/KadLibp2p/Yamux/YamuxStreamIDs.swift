/// Which numbers the other end has used for the streams that it opened.
///
/// They rise, but not strictly: implementations that open streams from several threads draw the numbers in order and send
/// them as it comes. Numbers that were left out are remembered, the latest of them, so that each can come once.
struct YamuxStreamIDs: Hashable, Sendable {
    /// How many left-out numbers are remembered: the specification's backlog, which bounds how many are drawn at once.
    static let maximumGaps = 256

    /// 1 for odd numbers, 0 for even ones.
    let parity: UInt32
    private(set) var highest: UInt32 = 0
    /// Rising.
    private(set) var gaps: [UInt32] = []

    func owns(_ id: UInt32) -> Bool { id != 0 && id & 1 == parity }

    /// Whether a stream of this number may have been opened.
    func wasUsed(_ id: UInt32) -> Bool { id <= highest && !gaps.contains(id) }

    /// Takes a number; false when it was taken, or left out too long ago.
    mutating func claim(_ id: UInt32) -> Bool {
        guard id > highest else {
            guard let index = gaps.firstIndex(of: id) else { return false }
            gaps.remove(at: index)
            return true
        }
        let first = highest == 0 ? (parity == 1 ? 1 : 2) : highest + 2
        let reach = UInt32(2 * Self.maximumGaps)
        let oldest = id > reach ? id - reach : 0
        gaps += stride(from: max(first, oldest), to: id, by: 2)
        gaps.removeFirst(max(0, gaps.count - Self.maximumGaps))
        highest = id
        return true
    }
}
