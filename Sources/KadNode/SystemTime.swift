import KadEngine
import KadStore
import Kademlia

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The two clocks of a running system.
struct SystemTime: Sendable {
    private let start = ContinuousClock.now
    /// The wall clock.
    var wall: @Sendable () -> Instant = Instant.systemClock

    var now: Time { Time(wall: wall(), uptime: uptime) }

    var uptime: Uptime { Uptime(milliseconds: Self.milliseconds(ContinuousClock.now - start)) }

    /// The moment of `uptime` for a sleep.
    func instant(of uptime: Uptime) -> ContinuousClock.Instant {
        start.advanced(by: .milliseconds(max(0, uptime.milliseconds)))
    }

    static func milliseconds(_ duration: Duration) -> Int64 { microseconds(duration) / 1_000 }

    static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : whole.addingReportingOverflow(attoseconds / 1_000_000_000_000).partialValue
    }
}

extension Boot {
    /// What this system says of its boot: on Linux its id and time, elsewhere nothing, and the wall clock then decides alone.
    static func current() -> Boot {
        #if os(Linux)
        let id = firstLine(of: "/proc/sys/kernel/random/boot_id")
        var since = timespec()
        guard clock_gettime(CLOCK_BOOTTIME, &since) == 0 else { return Boot(id: id) }
        let uptime = Int64(since.tv_sec) * 1_000 + Int64(since.tv_nsec) / 1_000_000
        return Boot(id: id, at: Instant.systemClock().advanced(byMilliseconds: -uptime))
        #else
        return .unknown
        #endif
    }

    #if os(Linux)
    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = fread(&buffer, 1, buffer.count, file)
        let line = buffer.prefix(count).prefix { $0 != 10 }
        return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
    }
    #endif
}
