import Kademlia
import Testing

@testable import KadLibp2p

@Suite("Yamux: errors by kind")
struct YamuxErrorTests {
    struct Row: Sendable {
        let error: YamuxError
        let scope: FailureScope
        let failureClass: FailureClass
        let isTransient: Bool
    }

    static let rows = [
        Row(error: .refused, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .reset, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .acceptTimeout, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .writeTimeout, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .lingered, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .backlogFull, scope: .stream, failureClass: .stream, isTransient: true),
        Row(error: .notWritable, scope: .stream, failureClass: .cancelled, isTransient: false),
        Row(error: .streamLimit, scope: .stream, failureClass: .local, isTransient: false),
        Row(error: .sendLimit, scope: .stream, failureClass: .local, isTransient: false),
        Row(error: .receiveLimit, scope: .stream, failureClass: .local, isTransient: false),
        Row(error: .closed, scope: .connection, failureClass: .cancelled, isTransient: false),
        Row(error: .disconnected, scope: .connection, failureClass: .reset, isTransient: true),
        Row(error: .goneAway(.normal), scope: .connection, failureClass: .reset, isTransient: true),
        Row(error: .keepAliveTimeout, scope: .connection, failureClass: .timeout, isTransient: true),
        Row(error: .idsExhausted, scope: .connection, failureClass: .local, isTransient: false),
        Row(error: .violation(.pingFlood), scope: .peer, failureClass: .badResponse, isTransient: false),
    ]

    @Test("each kind has a scope, a class, and is transient or not", arguments: rows)
    func kinds(row: Row) {
        #expect(row.error.scope == row.scope)
        #expect(row.error.failureClass == row.failureClass)
        #expect(row.error.isTransient == row.isTransient)
        #expect(!row.error.description.isEmpty)
        // The failure memory, which keeps the class, knows the same scope; our own failures are not kept.
        #expect(row.error.failureClass.scope == row.scope || row.error.failureClass.scope == nil)
    }

    @Test("transient ones are tried again after 1 to 100 ms, lasting ones not at all", arguments: rows)
    func retries(row: Row) {
        var generator = SeededGenerator(seed: 5)
        for attempt in 0..<RetrySchedule.maximumRetries {
            let delay = RetrySchedule.delayMilliseconds(
                attempt: attempt, after: row.error.failureClass, remaining: 10_000, using: &generator)
            #expect(delay.map { (1...100).contains($0) } ?? false == row.isTransient)
        }
    }
}
