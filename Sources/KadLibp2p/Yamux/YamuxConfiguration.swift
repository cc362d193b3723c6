extension YamuxSession {
    /// What one session may use, and how long things may take. A session is one peer's, so these are limits for each
    /// connection of a peer.
    struct Configuration: Hashable, Sendable {
        /// Bytes that the other end may send on a stream before we have read any. Less than the specification's 256 KiB
        /// cannot be had; more than 16 MiB is not given.
        var receiveWindow: UInt32 = 256 * 1024
        /// The longest body of a data frame that we send: short enough for one Noise message, and for streams to take turns.
        var maximumFrameBytes = 16 * 1024

        /// Streams of the other end that may be open. More are reset as they come.
        var maximumInboundStreams = 256
        /// Streams of our own that may be open.
        var maximumOutboundStreams = 512
        /// Streams that may wait to be accepted, in each direction: the specification's backlog.
        var maximumBacklog = 256
        /// Bytes that were received on all streams and not read. Windows are not opened beyond it, and a stream that
        /// brings more than this is reset; one window at least.
        var maximumBufferedBytes = 4 * 1024 * 1024
        /// Bytes that wait to be sent on all streams.
        var maximumQueuedBytes = 8 * 1024 * 1024

        /// How often the other end is pinged.
        var keepAliveMilliseconds: Int64 = 30_000
        /// How long it may take to answer. A full window on a slow line comes before the answer.
        var keepAliveTimeoutMilliseconds: Int64 = 30_000
        /// How long a stream may wait to be accepted.
        var acceptTimeoutMilliseconds: Int64 = 30_000
        /// How long the other end may take to open its window for ``stallBytes`` of what waits.
        var writeTimeoutMilliseconds: Int64 = 60_000
        /// Less than this in ``writeTimeoutMilliseconds`` is a stall: a byte now and then keeps nothing alive.
        var stallBytes = 4 * 1024
        /// How long a stream that is closed in one direction may be silent in the other.
        var lingerMilliseconds: Int64 = 120_000

        /// Pings of the other end that are answered: at once, and each second after those.
        var pings = YamuxAllowance.Rate(burst: 64, perSecond: 10)
        /// Window updates beyond one for each byte that we sent. Some implementations send one for every read, however
        /// small.
        var windowUpdates = YamuxAllowance.Rate(burst: 1_024, perSecond: 128)
        /// Frames that change nothing, and streams that are refused or reset. Some come from honest peers: what was under
        /// way when a stream was reset.
        var idleFrames = YamuxAllowance.Rate(burst: 1_024, perSecond: 128)

        init() {}

        /// The numbers within the bounds that the rest relies on.
        var bounded: Configuration {
            var bounded = self
            bounded.receiveWindow = max(UInt32(YamuxFrame.initialWindow), min(receiveWindow, 16 * 1024 * 1024))
            bounded.maximumFrameBytes = max(1, min(maximumFrameBytes, YamuxFrame.initialWindow))
            bounded.maximumBufferedBytes = max(maximumBufferedBytes, Int(bounded.receiveWindow))
            bounded.stallBytes = max(1, min(stallBytes, YamuxFrame.initialWindow))
            return bounded
        }
    }
}
