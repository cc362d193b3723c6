import CSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How long a connection waits for another one's lock, and how long it did: SQLite's own handler keeps that to itself,
/// and an error that is to be believed must say it.
final class BusyWait {
    var limitMilliseconds: Int
    /// Of the latest wait.
    private(set) var waitedMilliseconds = 0
    private var start = Uptime.now

    init(limitMilliseconds: Int) { self.limitMilliseconds = max(0, limitMilliseconds) }

    /// Takes the place of `sqlite3_busy_timeout`. The connection, and every statement of it, keep this object alive.
    func install(on handle: OpaquePointer) {
        sqlite3_busy_handler(
            handle,
            { context, attempts in
                guard let context else { return 0 }
                return Unmanaged<BusyWait>.fromOpaque(context).takeUnretainedValue().wait(attempts) ? 1 : 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Sleeps a little, longer each time.
    ///
    /// - Returns: whether to try again.
    private func wait(_ attempts: Int32) -> Bool {
        if attempts == 0 { start = .now }
        waitedMilliseconds = start.milliseconds
        let left = limitMilliseconds - waitedMilliseconds
        guard left > 0 else { return false }
        usleep(UInt32(min(left, attempts < 5 ? 1 + Int(attempts) : 25)) * 1_000)
        waitedMilliseconds = start.milliseconds
        return true
    }

    /// A moment of the clock that nobody sets.
    struct Uptime {
        private let time: timespec

        static var now: Uptime {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Uptime(time: time)
        }

        /// Since then.
        var milliseconds: Int {
            let now = Uptime.now.time
            return (now.tv_sec - time.tv_sec) * 1_000 + (now.tv_nsec - time.tv_nsec) / 1_000_000
        }
    }
}
