import Kademlia
import NIOCore

// What happens because time goes by, or because nothing does.
extension ConnectionHandler {
    func after(
        _ duration: Duration, _ body: @escaping @Sendable (ConnectionHandler) -> Void
    ) -> Scheduled<Void> {
        let handler = bound
        return eventLoop.scheduleTask(in: TimeAmount(duration)) { body(handler.value) }
    }

    /// Wakes up when the session wants to be asked next.
    func reschedule() {
        guard closedWith == nil, let next = session?.nextTick else {
            tick?.task.cancel()
            tick = nil
            return
        }
        // One that comes too early asks again.
        if let tick, tick.at <= next { return }
        tick?.task.cancel()
        let handler = bound
        let wait = TimeAmount.milliseconds(max(0, next.millisecondsSince(now)))
        tick = (next, eventLoop.scheduleTask(in: wait) { handler.value.ticked() })
    }

    private func ticked() {
        tick = nil
        guard closedWith == nil else { return }
        let now = now
        guard let next = session?.nextTick, next <= now else { return reschedule() }
        perform(session?.tick(at: now) ?? [])
    }

    /// Tells how many streams there are, and closes the connection when there have been none for long.
    func countStreams() {
        guard let connection, closedWith == nil else { return }
        events.streams(connection, streams.count)
        if !streams.isEmpty {
            idle?.cancel()
            idle = nil
        } else if idle == nil {
            idle = after(settings.idleTimeout) { $0.close(.muxer(.closed)) }
        }
    }

    func linger(_ id: YamuxSession.StreamID) -> Scheduled<Void> { after(settings.lingerTimeout) { $0.reset(id) } }
}
