import KadEngine
import KadNode
import Kademlia
import Multiformats

/// Answers the requests that come on streams of `/ipfs/kad/1.0.0`: several on each, one after the other.
///
/// How many streams there are is the swarm's to limit, and how much a peer may ask for is the node's. Here it is limited what a
/// stream may hold and for how long. Every fault resets the stream, and nothing but the stream.
final class KadServer: Sendable {
    struct Configuration: Hashable, Sendable {
        /// How long a stream may be open without a whole request: also for one that trickles in. go-libp2p has a minute.
        var patience: Duration = .seconds(60)
        /// The most requests on one stream; then it is closed, and whoever has more to ask opens another.
        var requestsPerStream = 1_024
        /// Bytes of half-read requests beyond ``ReadBudget/free`` on each stream: of all peers, and of one.
        var heldBytes = 64 << 20
        var heldBytesPerPeer = 4 << 20
    }

    /// ``KadNode/answer(_:from:at:)``
    typealias Answer = @Sendable (Query, PeerID, Multiaddr) async throws(Refusal) -> QueryAnswer
    /// ``KadNode/violated(by:)``
    typealias Violated = @Sendable (PeerID) async -> Void

    let configuration: Configuration
    private let records: SenderRecords
    private let sender: @Sendable (any MessageStream) -> OwnContact
    private let answer: Answer
    private let violated: Violated
    private let budget: ReadBudget

    init(
        configuration: Configuration = Configuration(), records: SenderRecords,
        sender: @escaping @Sendable (any MessageStream) -> OwnContact, answer: @escaping Answer,
        violated: @escaping Violated = { _ in }
    ) {
        self.configuration = configuration
        self.records = records
        self.sender = sender
        self.answer = answer
        self.violated = violated
        budget = ReadBudget(limit: configuration.heldBytes, limitPerPeer: configuration.heldBytesPerPeer)
    }

    /// Serves one stream until its other end has no more to ask.
    ///
    /// - Throws: ``KadFault``; the stream is reset.
    func serve(_ stream: any MessageStream) async throws(KadFault) {
        let deadline = StreamDeadline(stream, after: configuration.patience)
        defer { deadline.cancel() }
        var channel = MessageChannel(stream)
        var claimed = 0
        defer { _ = budget.change(from: claimed, to: 0, for: stream.remote) }
        do throws(KadFault) {
            for _ in 0..<configuration.requestsPerStream {
                let request = try await channel.read(limit: KadProtocol.requestLimit) { held in
                    let wanted = max(0, held - ReadBudget.free)
                    guard budget.change(from: claimed, to: wanted, for: stream.remote) else { return false }
                    claimed = wanted
                    return true
                }
                guard let request else { break }
                if let answer = try await reply(to: request, on: stream) { try await channel.write(answer) }
                deadline.restart(configuration.patience)
            }
        } catch {
            stream.reset()
            if error.failureClass == .badResponse { await violated(stream.remote) }
            throw error
        }
        await stream.closeWriting()
    }

    private func reply(to request: [UInt8], on stream: any MessageStream) async throws(KadFault) -> KadMessage? {
        let message = try KadMessage.reading(request)
        try records.check(message, from: stream.remote)
        let query = try message.query
        do throws(Refusal) {
            let content = try await answer(query, stream.remote, stream.remoteAddress)
            return KadMessage(answering: query, with: content, from: sender(stream), at: .systemClock())
        } catch {
            throw .refused(error)
        }
    }
}
