import KadEngine

/// The events of one lookup, in order, for one reader. The last is ``LookupEvent/finished(_:_:closest:)``; a node that ends
/// first ends them without it.
public struct LookupEvents: AsyncSequence, Sendable {
    public typealias Element = LookupEvent

    let stream: AsyncStream<LookupEvent>

    public func makeAsyncIterator() -> AsyncStream<LookupEvent>.AsyncIterator { stream.makeAsyncIterator() }
}
