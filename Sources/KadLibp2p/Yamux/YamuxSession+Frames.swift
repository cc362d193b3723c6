import Kademlia

// What a frame of the other end does.
extension YamuxSession {
    mutating func receive(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        switch frame.kind {
        case .data: try receiveData(frame, at: now)
        case .windowUpdate: try receiveWindowUpdate(frame, at: now)
        case .ping: try receivePing(frame, at: now)
        case .goAway: try receiveGoAway(frame, at: now)
        }
    }

    /// The frame changed nothing, or what it did was for nothing: some such are tolerated.
    private mutating func chargeIdleFrame(at now: Uptime) throws(YamuxViolation) {
        guard idleFrames.take(at: now) else { throw .idleFrameFlood }
    }
}

// MARK: - Streams

extension YamuxSession {
    private mutating func receiveData(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        let id = frame.stream
        let length = Int(frame.length)
        if frame.flags.contains(.syn), try !receiveOpening(frame, at: now) { return }
        guard let stream = streams[id] else { return try receiveStrayData(frame, at: now) }
        // Before anything of the body is taken.
        guard length <= stream.receiveWindow else { throw .windowOverrun(stream: id, length: frame.length) }
        if frame.flags.contains(.rst) {
            skip(length)
            return try receiveReset(of: stream, id, at: now)
        }
        guard !stream.hasEnded || length == 0 else { throw .dataAfterEnd(stream: id) }
        let accepts = receiveAcceptance(of: stream, id)
        let isLast = frame.flags.contains(.fin) && !stream.hasEnded
        if length == 0, !accepts, !isLast, !frame.flags.contains(.syn) { try chargeIdleFrame(at: now) }
        guard buffered + length <= configuration.maximumBufferedBytes else {
            skip(length)
            return fail(id, .receiveLimit, resets: true)
        }
        buffered += length
        streams[id]?.receiveWindow -= length
        streams[id]?.unread += length
        body = Body(stream: id, remaining: length, isLast: isLast)
    }

    private mutating func receiveWindowUpdate(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        let id = frame.stream
        let isOpening = frame.flags.contains(.syn)
        if isOpening, try !receiveOpening(frame, at: now) { return }
        guard let stream = streams[id] else { return try receiveStrayUpdate(frame, at: now) }
        if frame.flags.contains(.rst) { return try receiveReset(of: stream, id, at: now) }
        let accepts = receiveAcceptance(of: stream, id)
        let isLast = frame.flags.contains(.fin) && !stream.hasEnded
        if !accepts, !isOpening {
            if frame.length > 0 {
                try chargeWindowUpdate(at: now)
            } else if !isLast {
                try chargeIdleFrame(at: now)
            }
        }
        let window = stream.sendWindow + Int(frame.length)
        guard window <= Int(UInt32.max) else { throw .windowOverflow(stream: id) }
        streams[id]?.sendWindow = window
        if isLast {
            streams[id]?.activeAt = now
            endReading(id)
        }
        if stream.queue.readableBytes > 0 { flush(id, at: now) }
    }

    private mutating func chargeWindowUpdate(at now: Uptime) throws(YamuxViolation) {
        if updateCredit > 0 {
            updateCredit -= 1
        } else if !windowUpdates.take(at: now) {
            throw .windowUpdateFlood
        }
    }

    /// The other end opens a stream.
    ///
    /// - Returns: false when it is refused. Then it is one of those that are over, and its body is skipped.
    private mutating func receiveOpening(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) -> Bool {
        let id = frame.stream
        guard theirs.owns(id) else { throw .wrongParity(stream: id) }
        guard theirs.claim(id) else { throw .reusedID(stream: id) }
        let isDead = frame.flags.contains(.rst)
        if isDead || isLeaving || inbound.open >= configuration.maximumInboundStreams
            || inbound.backlog >= configuration.maximumBacklog
        {
            try chargeIdleFrame(at: now)
            if !isDead { send(.windowUpdate, .rst, stream: id) }
            gone.insert(id, window: YamuxFrame.initialWindow)
            if frame.kind == .data { try receiveStrayData(frame, at: now) }
            return false
        }
        insert(id, isOurs: false, receiveWindow: YamuxFrame.initialWindow, at: now)
        events.append(.opened(StreamID(number: id)))
        return true
    }

    /// Whatever comes on a stream of ours shows that it was accepted; some implementations send no ACK of its own.
    ///
    /// - Returns: whether this was the first.
    private mutating func receiveAcceptance(of stream: YamuxStreamState, _ id: UInt32) -> Bool {
        guard stream.isOurs, !stream.isAccepted else { return false }
        markAccepted(id)
        events.append(.accepted(StreamID(number: id)))
        return true
    }

    private mutating func receiveReset(
        of stream: YamuxStreamState, _ id: UInt32, at now: Uptime
    ) throws(YamuxViolation) {
        fail(id, stream.isOurs && !stream.isAccepted ? .refused : .reset, resets: false)
        // Streams that are opened and reset in turn cost us more than they cost the other end.
        if !stream.isOurs { try chargeIdleFrame(at: now) }
    }

    private mutating func skip(_ length: Int) {
        // Stream 0 is none.
        body = length > 0 ? Body(stream: 0, remaining: length, isLast: false) : nil
    }
}

// MARK: - Streams that are over

extension YamuxSession {
    private func checkWasOpened(_ id: UInt32) throws(YamuxViolation) {
        let wasOpened = theirs.owns(id) ? theirs.wasUsed(id) : id != 0 && UInt64(id) < nextID
        guard wasOpened else { throw .unknownStream(stream: id) }
    }

    private mutating func receiveStrayData(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        let id = frame.stream
        let length = Int(frame.length)
        try checkWasOpened(id)
        let window = gone.window(of: id)
        guard length <= window ?? Int(configuration.receiveWindow) else {
            throw .windowOverrun(stream: id, length: frame.length)
        }
        gone.takeBytes(length, of: id)
        if length == 0 || window == nil { try chargeStrayFrame(id, at: now) }
        skip(length)
    }

    private mutating func receiveStrayUpdate(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        try checkWasOpened(frame.stream)
        // The last bytes that we sent may be read long after the stream's end.
        if frame.length > 0, gone.window(of: frame.stream) != nil {
            try chargeWindowUpdate(at: now)
        } else {
            try chargeStrayFrame(frame.stream, at: now)
        }
    }

    private mutating func chargeStrayFrame(_ id: UInt32, at now: Uptime) throws(YamuxViolation) {
        if !gone.takeFrame(of: id) { try chargeIdleFrame(at: now) }
    }
}

// MARK: - The session

extension YamuxSession {
    private mutating func receivePing(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        if frame.flags.contains(.syn) {
            guard pings.take(at: now) else { throw .pingFlood }
            send(.ping, .ack, length: frame.length)
        } else if !frame.flags.contains(.ack) || !keepAlive.answered(frame.length, at: now) {
            try chargeIdleFrame(at: now)
        }
    }

    private mutating func receiveGoAway(_ frame: YamuxFrame, at now: Uptime) throws(YamuxViolation) {
        let code = YamuxGoAway(rawValue: frame.length)
        guard code == .normal else { return finish(.goneAway(code)) }
        guard theirGoAway == nil else { return try chargeIdleFrame(at: now) }
        theirGoAway = code
        events.append(.goneAway)
    }
}
