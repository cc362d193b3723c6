import Kademlia
import Synchronization

/// The clocks of the machine that a node runs on: a wall clock that somebody may set, and an uptime that never jumps.
///
/// Shared with the store, which reads the wall clock on a thread of its own.
final class Machine: Sendable {
    private struct State {
        var now = VirtualTime.zero
        /// How far the wall clock is ahead of the world, in milliseconds.
        var error: Int64 = 0
        var bootedAt = VirtualTime.zero
        var boots = 1
    }

    private let state = Mutex(State())

    /// The wall clock's right reading when the world began: 2024-01-01T00:00:00Z.
    static let beginning = Instant(milliseconds: 1_704_067_200_000)

    /// The time of the world.
    var now: VirtualTime {
        get { state.withLock(\.now) }
        set { state.withLock { $0.now = newValue } }
    }

    /// The wall clock.
    var wall: Instant { state.withLock { Self.wall(at: $0.now).advanced(byMilliseconds: $0.error) } }

    /// Milliseconds since the machine was switched on.
    var uptime: Uptime { state.withLock { Uptime(milliseconds: ($0.now - $0.bootedAt) / 1_000) } }

    /// The moment of the world at which the uptime will read this.
    func time(of uptime: Uptime) -> VirtualTime {
        state.withLock { VirtualTime(milliseconds: uptime.milliseconds) + $0.bootedAt.microseconds }
    }

    /// What the system says of its boot.
    var boot: (id: String, at: Instant) {
        state.withLock { ("boot-\($0.boots)", Self.wall(at: $0.bootedAt).advanced(byMilliseconds: $0.error)) }
    }

    /// The right wall time at a moment of the world.
    static func wall(at time: VirtualTime) -> Instant { beginning.advanced(byMilliseconds: time.milliseconds) }

    /// Sets the wall clock: `milliseconds` ahead of the world.
    func setClock(aheadBy milliseconds: Int64) { state.withLock { $0.error = milliseconds } }

    /// Switched off and on: a new boot.
    func reboot() {
        state.withLock {
            $0.bootedAt = $0.now
            $0.boots += 1
        }
    }
}
