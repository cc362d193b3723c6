import KadEngine

extension KadNode {
    /// Searches for the peers nearest to a target. The events come as they happen; leaving the loop, or cancelling its
    /// task, cancels the lookup.
    public func lookup(_ target: LookupTarget, options: LookupOptions = LookupOptions()) -> LookupEvents {
        let (stream, continuation) = AsyncStream<LookupEvent>.makeStream()
        guard phase != .stopped else {
            continuation.finish()
            return LookupEvents(stream: stream)
        }
        let (id, actions) = engine.lookup(target, options: options, at: time.now)
        lookups[id] = continuation
        continuation.onTermination = { [weak self] reason in
            guard case .cancelled = reason else { return }
            Task { await self?.cancel(id) }
        }
        perform(actions)
        return LookupEvents(stream: stream)
    }

    /// The peers nearest to a target that answered, nearest first.
    ///
    /// - Throws: `CancellationError` when the task was cancelled or the node has ended before the lookup did.
    public func closest(
        to target: LookupTarget, options: LookupOptions = LookupOptions()
    ) async throws -> [FoundPeer] {
        for await event in lookup(target, options: options) {
            guard case .finished(let reason, _, let closest) = event else { continue }
            guard reason != .cancelled else { break }
            return closest
        }
        throw CancellationError()
    }

    private func cancel(_ id: LookupID) {
        guard lookups.removeValue(forKey: id) != nil, phase != .stopped else { return }
        perform(engine.cancel(id, at: time.now))
    }
}

/// The events of one lookup, in order, for one reader. The last is ``LookupEvent/finished(_:_:closest:)``; a node that ends
/// first ends them without it.
public struct LookupEvents: AsyncSequence, Sendable {
    public typealias Element = LookupEvent

    let stream: AsyncStream<LookupEvent>

    public func makeAsyncIterator() -> AsyncStream<LookupEvent>.AsyncIterator { stream.makeAsyncIterator() }
}
