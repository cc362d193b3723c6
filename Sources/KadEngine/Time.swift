import Kademlia

/// One moment, as both clocks show it.
public struct Time: Hashable, Sendable {
    /// The wall clock: it may jump, and means something to the next process.
    public var wall: Instant
    /// The clock that never jumps: it times calls, and means nothing to the next process.
    public var uptime: Uptime

    public init(wall: Instant, uptime: Uptime) {
        self.wall = wall
        self.uptime = uptime
    }
}

/// What the system says of the boot that this process runs in: it tells downtime without trust in the wall clock.
public struct Boot: Hashable, Sendable {
    /// The system's id of the boot, where it has one (Linux: `/proc/sys/kernel/random/boot_id`).
    public var id: String?
    public var at: Instant?

    public init(id: String? = nil, at: Instant? = nil) {
        self.id = id
        self.at = at
    }

    public static let unknown = Boot()
}
