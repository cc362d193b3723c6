import NIOCore

extension ConnectionStream {
    /// Agrees with the other end on the stream's protocol.
    ///
    /// - Parameter limit: for all of it.
    /// - Throws: ``ConnectionError``; the stream has been reset then.
    func agree(as role: Role, on protocols: [String], within limit: Duration) async throws(ConnectionError) -> String {
        let deadline = expire(in: limit)
        defer { deadline.cancel() }
        var negotiation = MultistreamNegotiation(role: role, protocols: protocols)
        if let first = negotiation.begin() { try await write(first) }
        var bytes = ByteBuffer()
        while var next = try await read() {
            bytes.writeBuffer(&next)
            let progress: MultistreamNegotiation.Progress
            do throws(MultistreamError) {
                progress = try negotiation.receive(&bytes)
            } catch {
                reset()
                throw ConnectionError(.negotiation(error))
            }
            if let answer = progress.send { try await write(answer) }
            guard let agreed = progress.agreed else { continue }
            putBack(bytes)
            return agreed
        }
        reset()
        throw ConnectionError(.muxer(.reset))
    }
}
