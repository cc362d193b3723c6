import Kademlia

extension Store {
    /// Goes on with the crawl that has not ended, or begins one.
    ///
    /// A file has one crawl at a time: two processes that call this share it. What it has visited survives a killed process
    /// but for the last second; ``StoreEvent/visited(_:_:at:crawl:)`` adds to it, ``unvisited(after:limit:)`` says whom it
    /// lacks.
    ///
    /// - Parameter isNew: ends an unfinished one as incomplete, and begins anew.
    /// - Returns: the crawl, and whether it was begun before.
    public func beginCrawl(
        anew isNew: Bool = false, at now: Instant
    ) async throws(StoreError) -> (crawl: Crawl, isResumed: Bool) {
        guard let writer else { throw .readOnly(path: path) }
        return try await writer.perform { writer in
            try writer.commitPending()
            if !isNew, let crawl = try writer.records().reader.runningCrawl() { return (crawl, true) }
            let begun = try writer.transaction { records -> (crawl: Crawl, isResumed: Bool) in
                // Another process may have begun one meanwhile.
                if !isNew, let crawl = try records.reader.runningCrawl() { return (crawl, true) }
                try records.endCrawls(isComplete: false, at: now)
                return (try records.beginCrawl(at: now), false)
            }
            try writer.flush()
            return begun
        }
    }

    /// Ends a crawl: its sums stay, whom it visited is forgotten. What was recorded before counts.
    ///
    /// - Parameter isComplete: whether it ended because nobody was left to visit.
    /// - Returns: the crawl; nil when the store has none of that number.
    @discardableResult
    public func endCrawl(
        _ number: Int64, isComplete: Bool, at now: Instant
    ) async throws(StoreError) -> Crawl? {
        guard let writer else { throw .readOnly(path: path) }
        return try await writer.perform { writer in
            try writer.commitPending()
            let ended = try writer.transaction { records -> Crawl? in
                if try records.reader.runningCrawl()?.number == number {
                    try records.endCrawls(isComplete: isComplete, at: now)
                }
                return try records.reader.crawl(number)
            }
            try writer.flush()
            return ended
        }
    }

    /// Raises ``peerCap`` to a number of peers: whoever brings peers in on purpose, as an import or a crawl does, does not
    /// want the next node to drop them again. It is never lowered.
    ///
    /// - Returns: the cap that holds now.
    @discardableResult
    public func raisePeerCap(to count: Int64) async throws(StoreError) -> Int64 {
        guard let writer else { throw .readOnly(path: path) }
        if count > peerCap { try await writer.perform { try $0.raisePeerCap(to: count) } }
        return peerCap
    }
}
