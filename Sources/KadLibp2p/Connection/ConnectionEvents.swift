/// What a connection tells its swarm. Called on the event loop.
struct ConnectionEvents: Sendable {
    /// It is secured. The swarm may refuse it.
    var established: @Sendable (Connection) -> ConnectionError?
    /// The other end opened a stream.
    var opened: @Sendable (ConnectionStream) -> Void
    /// The other end takes no new streams.
    var retired: @Sendable (Connection) -> Void
    /// It is over; without a connection it has never been secured.
    var closed: @Sendable (Connection?, ConnectionError) -> Void
    /// A stream was opened or closed: how many there are.
    var streams: @Sendable (Connection, Int) -> Void
}
