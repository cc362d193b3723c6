import Kademlia
import NIOCore

@testable import KadLibp2p

let muxerTargets = [
    FuzzTarget(name: "yamux", run: muxWithAnybody),
    FuzzTarget(name: "yamux-pair", run: muxWithEachOther),
]

/// Limits that a short input reaches.
private let tightConfiguration: YamuxSession.Configuration = {
    var configuration = YamuxSession.Configuration()
    configuration.maximumInboundStreams = 4
    configuration.maximumOutboundStreams = 4
    configuration.maximumBacklog = 3
    configuration.maximumBufferedBytes = 256 * 1024
    configuration.maximumQueuedBytes = 64 * 1024
    configuration.pings = .init(burst: 4, perSecond: 1)
    configuration.windowUpdates = .init(burst: 8, perSecond: 1)
    configuration.idleFrames = .init(burst: 8, perSecond: 1)
    return configuration
}()

/// One end, what it is told to do, and what it has said of each stream.
private struct End {
    enum Life { case open, over }

    var session: YamuxSession
    var now = Uptime(milliseconds: 0)
    var life: [YamuxSession.StreamID: Life] = [:]
    var received: [YamuxSession.StreamID: [UInt8]] = [:]
    var sent = ByteBuffer()
    var error: YamuxError?
    let keepsBytes: Bool

    init(_ role: Role, _ configuration: YamuxSession.Configuration, keepsBytes: Bool) {
        session = YamuxSession(role: role, configuration: configuration)
        self.keepsBytes = keepsBytes
    }

    var streams: [YamuxSession.StreamID] { life.filter { $0.value == .open }.keys.sorted() }

    /// One of its streams, or one that never was.
    func choose(_ script: inout FuzzScript) -> YamuxSession.StreamID {
        let number = script.byte()
        let streams = streams
        return streams.isEmpty || number == 255
            ? YamuxSession.StreamID(number: UInt32(number)) : streams[number % streams.count]
    }

    mutating func take(_ directives: [YamuxSession.Directive]) throws {
        for directive in directives {
            try Broken.unless(error == nil, "something happens after the session's end")
            switch directive {
            case .send(var bytes): sent.writeBuffer(&bytes)
            case .opened(let id):
                try Broken.unless(life[id] == nil, "a stream is opened twice")
                life[id] = .open
            case .received(let id, let bytes):
                try Broken.unless(life[id] == .open, "bytes come on a stream that is not there")
                if keepsBytes { received[id, default: []] += bytes.readableBytesView }
            case .failed(let id, _):
                try Broken.unless(life[id] == .open, "a stream fails twice, or was never there")
                life[id] = .over
            case .accepted(let id), .ended(let id), .drained(let id):
                try Broken.unless(life[id] == .open, "something happens to a stream that is not there")
            case .goneAway: break
            case .closed(let reason): error = reason
            }
        }
        for id in streams where session.streams[id.number] == nil { life[id] = .over }
        try check()
    }

    private func check() throws {
        let configuration = session.configuration
        try Broken.unless(
            session.streamCount <= configuration.maximumInboundStreams + configuration.maximumOutboundStreams,
            "\(session.streamCount) streams")
        try Broken.unless(
            session.streams.keys.allSatisfy { life[.init(number: $0)] == .open }, "a stream nobody knows of")
        let unread = session.streams.values.reduce(0) { $0 + $1.unread }
        let queued = session.streams.values.reduce(0) { $0 + $1.queue.readableBytes }
        try Broken.unless(session.buffered == unread && session.queued == queued, "bytes are counted wrongly")
        try Broken.unless(
            session.buffered <= configuration.maximumBufferedBytes
                && session.queued <= configuration.maximumQueuedBytes,
            "\(session.buffered) bytes unread, \(session.queued) unsent")
        try Broken.unless(session.gone.count <= YamuxGoneStreams.capacity, "ended streams are kept")
        try Broken.unless(
            (session.nextTick == nil) == (error != nil), "a session that ended waits, or one that lives does not")
    }

    /// Something that the own side may do, by the script.
    ///
    /// - Returns: what was written on which stream.
    mutating func act(_ script: inout FuzzScript) throws -> (YamuxSession.StreamID, [UInt8])? {
        switch script.byte() % 9 {
        case 0:
            guard let (id, directives) = try? session.open(at: now) else { return nil }
            life[id] = .open
            try take(directives)
        case 1: try take(session.accept(choose(&script), at: now))
        case 2, 3:
            let id = choose(&script)
            let bytes = [UInt8](repeating: UInt8(script.byte()), count: script.length())
            guard let directives = try? session.write(ByteBuffer(bytes: bytes), on: id, at: now) else { return nil }
            try take(directives)
            return (id, bytes)
        case 4, 5: try take(session.consumed(script.number(below: 65_536) * 8, on: choose(&script), at: now))
        case 6: try take(session.closeWriting(choose(&script), at: now))
        case 7:
            let id = choose(&script)
            try take(session.reset(id, at: now))
            if life[id] != nil { life[id] = .over }
        default:
            now = now.advanced(byMilliseconds: Int64(script.byte()) * 16)
            try take(session.tick(at: now))
        }
        return nil
    }
}

/// One end, which does what it likes, while the other sends anything.
private func muxWithAnybody(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    var end = End(script.byte().isMultiple(of: 2) ? .dialer : .listener, tightConfiguration, keepsBytes: false)
    while !script.isOver, end.error == nil {
        let choice = script.byte()
        if choice < 64 {
            _ = try end.act(&script)
        } else {
            // A frame that is nearly one, or what there is.
            var frame = ByteBuffer()
            if choice < 224 {
                frame.writeBytes([0, UInt8(script.byte() % 4), 0, UInt8(script.byte() % 16)])
                frame.writeInteger(UInt32(script.byte() % 16))
                frame.writeInteger(UInt32(script.number(below: 65_536)) << UInt32(choice % 16))
            }
            frame.writeBytes(script.bytes(choice % 64))
            let before = end.sent.readableBytes
            try end.take(end.session.receive(&frame, at: end.now))
            try Broken.unless(frame.readableBytes == 0, "bytes are left")
            try Broken.unless(
                end.sent.readableBytes - before <= tightConfiguration.maximumQueuedBytes * 2, "little makes it say much"
            )
        }
        end.sent.clear()
    }
    try end.take(end.session.disconnected(at: end.now))
    try Broken.unless(end.streams.isEmpty, "a stream outlives its session")
}

/// Two ends that keep the rules, over a line that delivers in pieces: each reads what the other wrote, and neither accuses
/// the other.
private func muxWithEachOther(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    // Floods are what it is to do here.
    let configuration = YamuxSession.Configuration()
    var ends = [End(.dialer, configuration, keepsBytes: true), End(.listener, configuration, keepsBytes: true)]
    var written: [[YamuxSession.StreamID: [UInt8]]] = [[:], [:]]
    var total = 0
    while !script.isOver, ends.allSatisfy({ $0.error == nil }), total < 1 << 20 {
        let choice = script.byte()
        let (own, other) = (choice % 2, 1 - choice % 2)
        if choice < 128 {
            if let (id, bytes) = try ends[own].act(&script) {
                written[own][id, default: []] += bytes
                total += bytes.count
            }
        } else {
            var piece = script.piece(of: &ends[other].sent)
            try ends[own].take(ends[own].session.receive(&piece, at: ends[own].now))
        }
    }
    for (own, other) in [(0, 1), (1, 0)] {
        for (id, bytes) in ends[own].received {
            try Broken.unless(
                written[other][id, default: []].starts(with: bytes), "stream \(id.number) brings what was not written")
        }
        guard case .violation(let violation) = ends[own].error else { continue }
        switch violation {
        // More than an honest node does in no time at all.
        case .pingFlood, .windowUpdateFlood, .idleFrameFlood: break
        default: throw Broken(description: "a rule is said to be broken: \(violation)")
        }
    }
}
