#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whose turn it is among processes that wait for one lock: a mark in the lock's own file, of whoever has waited longest.
///
/// Only manners hang on it, never safety: the lock is what excludes. So the mark is read and written without a lock of its
/// own. Who waits longer than the one that it names writes over it; who takes the lock takes its mark away; a mark that its
/// owner has not renewed for ``lifetime``, because it was killed or stopped, is none. Older versions of this software
/// neither leave a mark nor look for one.
struct LockQueue {
    private struct Mark {
        /// A random number of the one who waits.
        var owner: UInt64 = 0
        /// Since when it waits, and when it last said so: milliseconds of the machine's monotonic clock.
        var since: Int64 = 0
        var renewed: Int64 = 0
    }

    private let descriptor: Int32
    private let clock: () -> Int64
    private var mine = Mark()

    /// - Parameter clock: milliseconds of a clock that all who wait have in common, and nobody sets.
    init(_ descriptor: Int32, clock: @escaping () -> Int64 = Self.uptime) {
        self.descriptor = descriptor
        self.clock = clock
    }

    /// Where a mark lies: that many bytes at the file's beginning.
    static let byteCount = MemoryLayout<Mark>.size

    /// How long a mark counts, in milliseconds. A few times what a busy machine keeps a process from running.
    static let lifetime: Int64 = 250

    /// Whether nobody has waited longer.
    var isMyTurn: Bool {
        guard let first = first(at: clock()) else { return true }
        return first.owner == mine.owner || mine.owner != 0 && mine.since < first.since
    }

    /// Stands in the queue, or goes on standing in it.
    ///
    /// - Returns: whether nobody has waited longer.
    mutating func wait() -> Bool {
        let now = clock()
        if mine.owner == 0 { mine = Mark(owner: .random(in: 1 ... .max), since: now, renewed: now) }
        if let first = first(at: now), first.owner != mine.owner, first.since <= mine.since { return false }
        mine.renewed = now
        write(mine)
        return true
    }

    /// Lets the next one come forward.
    func leave() {
        guard mine.owner != 0, read()?.owner == mine.owner else { return }
        write(Mark())
    }

    /// The mark of who is next; nil when nobody waits.
    private func first(at now: Int64) -> Mark? {
        guard let mark = read(), mark.owner != 0 else { return nil }
        let (age, overflow) = now.subtractingReportingOverflow(mark.renewed)
        return !overflow && (0...Self.lifetime).contains(age) ? mark : nil
    }

    private func read() -> Mark? {
        var mark = Mark()
        let count = withUnsafeMutableBytes(of: &mark) { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return count == Self.byteCount ? mark : nil
    }

    /// Where there is no room on the device, nobody is next.
    private func write(_ mark: Mark) {
        withUnsafeBytes(of: mark) { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    private static func uptime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
