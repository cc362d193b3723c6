import Kademlia
import NIOCore

@testable import KadLibp2p

/// The muxer, with what its bounds and books have to be after every step.
let muxerTargets = [
    FuzzTarget(name: "yamux", seeds: sessionSeeds, run: muxWithAnybody),
    FuzzTarget(name: "yamux-pair", seeds: { FuzzSeeds.scripts(5) }, run: muxWithEachOther),
]

/// Frames as they are on the wire, each behind a decision for raw bytes (224 and above: as many as its rest by 64 says), and
/// scripts of chance.
@Sendable private func sessionSeeds() -> [[UInt8]] {
    func frame(_ kind: YamuxFrame.Kind, _ flags: Int, _ stream: UInt32, _ length: UInt32, _ body: [UInt8] = [])
        -> [UInt8]
    {
        var bytes = ByteBuffer()
        YamuxFrame(kind: kind, flags: .init(rawValue: UInt16(flags)), stream: stream, length: length)
            .encode(into: &bytes)
        return Array(bytes.readableBytesView) + body
    }
    let talks: [[[UInt8]]] = [
        [frame(.windowUpdate, 1, 1, 0), frame(.data, 0, 1, 5, Array("hello".utf8)), frame(.data, 4, 1, 0)],
        [frame(.windowUpdate, 1, 2, 0), frame(.data, 0, 2, 300_000), frame(.windowUpdate, 8, 2, 0)],
        [[UInt8]](repeating: frame(.ping, 1, 0, 7), count: 8), [frame(.goAway, 0, 0, 0)], [frame(.goAway, 0, 0, 1)],
        stride(from: 1, to: 15, by: 2).map { frame(.windowUpdate, 1, $0, 0) },
        [frame(.windowUpdate, 1, 1, 0), frame(.windowUpdate, 0, 1, .max)], [frame(.data, 1, 1, .max)],
    ]
    let raw = talks.flatMap { talk in
        [UInt8(0), 1].map { end in
            [end] + talk.flatMap { part -> [UInt8] in [224 + UInt8(part.count % 32)] + part }
        }
    }
    return raw + FuzzSeeds.scripts(6)
}

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
    /// Streams of which the other end has said all.
    var hasEnded: Set<YamuxSession.StreamID> = []
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
            case .ended(let id):
                try Broken.unless(life[id] == .open, "a stream ends that is not there")
                try Broken.unless(hasEnded.insert(id).inserted, "a stream ends twice")
            case .accepted(let id), .drained(let id):
                try Broken.unless(life[id] == .open, "something happens to a stream that is not there")
            case .goneAway: break
            case .closed(let reason): error = reason
            }
        }
        for id in streams where session.streams[id.number] == nil { life[id] = .over }
        try check()
    }

    private func check() throws {
        try Broken.unless(
            session.streams.keys.allSatisfy { life[.init(number: $0)] == .open }, "a stream nobody knows of")
        let faults = session.faults()
        try Broken.unless(faults.isEmpty, faults.joined(separator: ", "))
        try Broken.unless(
            (session.nextTick == nil) == (error != nil), "a session that ended waits, or one that lives does not")
    }

    /// Lets time go by until nothing more happens of itself, while the other end is silent: each stream is accepted, ends or
    /// fails, and nothing of it is left.
    mutating func outlive() throws {
        for id in streams { try take(session.closeWriting(id, at: now)) }
        // Each deadline can be met once for every stream, and each ping takes two.
        for _ in 0..<64 where error == nil {
            guard let next = session.nextTick else { break }
            now = max(now, next).advanced(byMilliseconds: 2_000)
            try take(session.tick(at: now))
        }
        try Broken.unless(error != nil, "a session outlives the other end's silence")
        try Broken.unless(streams.isEmpty, "a stream outlives its session")
    }

    /// Something that the own side may do, by the script.
    ///
    /// - Returns: what was written on which stream.
    mutating func act(_ script: inout FuzzScript) throws -> (YamuxSession.StreamID, [UInt8])? {
        switch script.byte() % 10 {
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
        case 8:
            now = now.advanced(byMilliseconds: Int64(script.byte()) * Int64(script.byte()))
            try take(session.tick(at: now))
        default:
            // Rarely, or there would be little else.
            switch script.byte() {
            case 250...253: try take(session.goAway(at: now))
            case 254: try take(session.close(at: now))
            case 255: try take(session.disconnected(at: now))
            default: try take(session.consumed(Int.max, on: choose(&script), at: now))
            }
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
    if end.error == nil { try end.outlive() }
}

/// Two ends that keep the rules, over a line that delivers in pieces: each reads what the other wrote, and neither accuses
/// the other. In the end all is delivered, read and closed, and nothing is left.
private func muxWithEachOther(_ bytes: [UInt8]) throws {
    var script = FuzzScript(bytes)
    // Floods are what it is to do here.
    let configuration = YamuxSession.Configuration()
    var ends = [End(.dialer, configuration, keepsBytes: true), End(.listener, configuration, keepsBytes: true)]
    var written: [[YamuxSession.StreamID: [UInt8]]] = [[:], [:]]
    var total = 0
    while !script.isOver, ends.allSatisfy({ $0.error == nil }), total < 1 << 19 {
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
    try windUp(&ends)
    for (own, other) in [(0, 1), (1, 0)] {
        for (id, bytes) in ends[own].received {
            let all = written[other][id, default: []]
            try Broken.unless(all.starts(with: bytes), "stream \(id.number) brings what was not written")
            let isWhole = ends[own].hasEnded.contains(id)
            try Broken.unless(!isWhole || all == bytes, "stream \(id.number) ends before its bytes")
        }
        guard case .violation(let violation) = ends[own].error else { continue }
        switch violation {
        // More than an honest node does in no time at all.
        case .pingFlood, .windowUpdateFlood, .idleFrameFlood: break
        default: throw Broken(description: "a rule is said to be broken: \(violation)")
        }
    }
}

/// Both ends deliver, read and close everything. While they live, no stream is left then.
private func windUp(_ ends: inout [End]) throws {
    for end in ends.indices {
        for id in ends[end].streams { try ends[end].take(ends[end].session.closeWriting(id, at: ends[end].now)) }
    }
    // A window's worth a round, and the queues have bounds.
    for _ in 0..<256 {
        for (own, other) in [(0, 1), (1, 0)] {
            var all = ends[other].sent
            ends[other].sent = ByteBuffer()
            try ends[own].take(ends[own].session.receive(&all, at: ends[own].now))
            for id in ends[own].streams {
                try ends[own].take(ends[own].session.consumed(.max, on: id, at: ends[own].now))
                try ends[own].take(ends[own].session.closeWriting(id, at: ends[own].now))
            }
        }
        if ends.allSatisfy({ $0.sent.readableBytes == 0 }) { break }
    }
    guard ends.allSatisfy({ $0.error == nil }) else { return }
    try Broken.unless(ends.allSatisfy { $0.session.streams.isEmpty }, "a stream that is closed at both ends is left")
    try Broken.unless(ends.allSatisfy { $0.session.buffered == 0 && $0.session.queued == 0 }, "bytes are left")
}
