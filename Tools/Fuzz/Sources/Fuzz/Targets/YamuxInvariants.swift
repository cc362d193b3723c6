@testable import KadLibp2p

extension YamuxSession {
    /// What is wrong with a session's own books, and which of its bounds it has passed.
    func faults() -> [String] {
        var faults: [String] = []
        func check(_ holds: Bool, _ what: String) { if !holds { faults.append(what) } }
        let states = streams.values
        check(buffered == states.reduce(0) { $0 + $1.unread }, "buffered")
        check(queued == states.reduce(0) { $0 + $1.queue.readableBytes }, "queued")
        check(inbound.open == states.count { !$0.isOurs }, "inbound")
        check(outbound.open == states.count { $0.isOurs }, "outbound")
        check(inbound.backlog == states.count { !$0.isOurs && !$0.isAccepted }, "inbound backlog")
        check(outbound.backlog == states.count { $0.isOurs && !$0.isAccepted }, "outbound backlog")
        check(withheld.allSatisfy { streams[$0] != nil } && Set(withheld).count == withheld.count, "withheld")

        check(buffered <= configuration.maximumBufferedBytes, "more is buffered than allowed")
        check(queued <= configuration.maximumQueuedBytes, "more is queued than allowed")
        check(inbound.open <= configuration.maximumInboundStreams, "more inbound streams than allowed")
        check(outbound.open <= configuration.maximumOutboundStreams, "more outbound streams than allowed")
        check(max(inbound.backlog, outbound.backlog) <= configuration.maximumBacklog, "more backlog than allowed")
        check(gone.count <= YamuxGoneStreams.capacity, "too many gone streams")
        check(theirs.gaps.count <= YamuxStreamIDs.maximumGaps, "too many gaps")
        check(theirs.gaps == theirs.gaps.sorted(), "gaps are not sorted")
        check(header.readableBytes < YamuxFrame.headerLength, "a whole header waits")
        check(header.capacity <= 1_024, "a header's buffer grew")
        check(updateCredit >= 0 && updateCredit <= Self.maximumUpdateCredit, "update credit")
        check(output.readableBytes == 0 && events.isEmpty, "something was not answered")
        for (id, stream) in streams {
            let window = Int(configuration.receiveWindow)
            check(stream.sendWindow >= 0 && stream.sendWindow <= Int(UInt32.max), "send window of \(id)")
            check(stream.receiveWindow >= 0 && stream.unread >= 0, "receive window of \(id)")
            check(stream.receiveWindow + stream.unread <= window, "stream \(id) was granted more than its window")
            check(!stream.isFinished, "stream \(id) is finished and kept")
            check(stream.queue.readableBytes == 0 || stream.stall != nil, "stream \(id) waits without a deadline")
            if let deadline = stream.deadline(configuration)?.at {
                check(earliestDeadline.map { $0 <= deadline } ?? false, "nobody minds the deadline of \(id)")
            }
        }
        if end != nil { check(streams.isEmpty && nextTick == nil, "a session that is over keeps something") }
        return faults
    }
}
