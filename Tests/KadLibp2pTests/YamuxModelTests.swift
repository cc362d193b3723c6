import Kademlia
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

/// Reads the frames of one direction as they pass, and keeps the windows by itself.
private struct WireWatch {
    private var header = ByteBuffer()
    private var skip = 0
    /// What may still be sent on each stream in this direction.
    private(set) var windows: [UInt32: Int] = [:]
    private(set) var faults: [String] = []

    /// - Parameter back: the watch of the other direction, whose windows this one's updates open.
    mutating func pass(_ bytes: ByteBuffer, _ back: inout WireWatch) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            let body = min(skip, bytes.readableBytes)
            skip -= body
            bytes.moveReaderIndex(forwardBy: body)
            if var part = bytes.readSlice(length: min(12 - header.readableBytes, bytes.readableBytes)) {
                header.writeBuffer(&part)
            }
            guard header.readableBytes == 12, let kind = header.getInteger(at: 1, as: UInt8.self),
                let stream = header.getInteger(at: 4, as: UInt32.self),
                let length = header.getInteger(at: 8, as: UInt32.self)
            else { continue }
            header = ByteBuffer()
            if kind == 0 {
                skip = Int(length)
                windows[stream, default: 256 * 1024] -= Int(length)
                if windows[stream, default: 0] < 0 { faults.append("stream \(stream): beyond the window") }
            } else if kind == 1 {
                back.windows[stream, default: 256 * 1024] += Int(length)
            }
        }
    }
}

/// Two sessions and an oracle of plain byte queues, under random operations.
private struct Model {
    struct Direction {
        var written = ByteBuffer()
        var received = ByteBuffer()
        /// Received and not read.
        var unread = 0
        var isClosed = false
        var hasEnded = false
        /// A write has not drained.
        var waits = false
    }
    struct Stream {
        /// By who writes: the dialer, the listener.
        var directions = [Direction(), Direction()]
        /// Reset by one end or failed at one: what is under way may be lost.
        var isBroken = false
        /// Where the application still has it.
        var isLive = [false, false]
    }

    var sessions: [YamuxSession]
    var wires = [ByteBuffer(), ByteBuffer()]
    var watches = [WireWatch(), WireWatch()]
    var streams: [YamuxSession.StreamID: Stream] = [:]
    var faults: [String] = []
    var now = Uptime(milliseconds: 0)
    var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        var configurations: [YamuxSession.Configuration] = []
        for _ in 0..<2 {
            var configuration = YamuxSession.Configuration()
            configuration.receiveWindow = [256 * 1024, 300_000, 1 << 20].randomElement(using: &generator)!
            configuration.maximumFrameBytes = [100, 4_096, 16_384, 65_536].randomElement(using: &generator)!
            configuration.maximumBufferedBytes = [256 * 1024, 600_000, 4 << 20].randomElement(using: &generator)!
            configuration.maximumInboundStreams = Int.random(in: 4...12, using: &generator)
            configuration.keepAliveMilliseconds = 2_000
            configurations.append(configuration)
        }
        sessions = [
            YamuxSession(role: .dialer, configuration: configurations[0]),
            YamuxSession(role: .listener, configuration: configurations[1]),
        ]
    }

    mutating func take(_ directives: [YamuxSession.Directive], at end: Int) {
        for directive in directives {
            switch directive {
            case .send(var bytes): wires[end].writeBuffer(&bytes)
            case .opened(let id):
                if streams[id]?.isLive[end] != false { faults.append("\(id) opened twice") }
                streams[id]?.isLive[end] = true
            case .accepted(let id):
                if streams[id]?.isLive[end] != true { faults.append("\(id) accepted after its end") }
            case .received(let id, let bytes):
                streams[id]?.directions[1 - end].received.writeImmutableBuffer(bytes)
                streams[id]?.directions[1 - end].unread += bytes.readableBytes
                if streams[id]?.isLive[end] != true { faults.append("\(id) received after its end") }
            case .ended(let id): streams[id]?.directions[1 - end].hasEnded = true
            case .failed(let id, let error):
                streams[id]?.isBroken = true
                streams[id]?.isLive[end] = false
                if ![.reset, .refused, .receiveLimit].contains(error) { faults.append("\(id) failed: \(error)") }
            case .drained(let id): streams[id]?.directions[end].waits = false
            case .goneAway: break
            case .closed(let error): faults.append("closed: \(error)")
            }
        }
    }

    mutating func step() throws {
        let end = Int.random(in: 0...1, using: &generator)
        let live = streams.filter { $0.value.isLive[end] }.keys.sorted()
        now = now.advanced(byMilliseconds: Int64.random(in: 0...20, using: &generator))
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<8 where live.count < 16:
            let (id, directives) = try sessions[end].open(at: now)
            streams[id] = Stream()
            streams[id]?.isLive[end] = true
            take(directives, at: end)
        case 8..<34:
            guard let id = live.randomElement(using: &generator), let way = streams[id]?.directions[end],
                !way.isClosed, !way.waits
            else { return }
            let count = Int.random(in: 0...[10, 1_000, 100_000].randomElement(using: &generator)!, using: &generator)
            let start = way.written.readableBytes + Int(id.number) * 7 + end
            let bytes = ByteBuffer(bytes: yamuxPattern(count, from: start))
            streams[id]?.directions[end].written.writeImmutableBuffer(bytes)
            streams[id]?.directions[end].waits = true
            take(try sessions[end].write(bytes, on: id, at: now), at: end)
        case 34..<60: read(live.randomElement(using: &generator), at: end, all: false)
        case 60..<64:
            if let id = live.randomElement(using: &generator) { close(id, at: end) }
        case 64..<65:
            guard let id = live.randomElement(using: &generator) else { return }
            streams[id]?.isBroken = true
            streams[id]?.isLive[end] = false
            take(sessions[end].reset(id, at: now), at: end)
        case 65..<67:
            if let id = live.randomElement(using: &generator) { take(sessions[end].accept(id, at: now), at: end) }
        case 67..<68: take(sessions[end].tick(at: now), at: end)
        default: deliver(from: end, [1, 11, 12, 40, 2_000, 100_000].randomElement(using: &generator)!)
        }
        check()
    }

    mutating func read(_ id: YamuxSession.StreamID?, at end: Int, all: Bool) {
        guard let id, let unread = streams[id]?.directions[1 - end].unread, unread > 0 else { return }
        let count = all ? unread : Int.random(in: 1...unread, using: &generator)
        streams[id]?.directions[1 - end].unread -= count
        take(sessions[end].consumed(count, on: id, at: now), at: end)
    }

    mutating func close(_ id: YamuxSession.StreamID, at end: Int) {
        streams[id]?.directions[end].isClosed = true
        take(sessions[end].closeWriting(id, at: now), at: end)
    }

    mutating func deliver(from end: Int, _ size: Int) {
        guard let part = wires[end].readSlice(length: min(size, wires[end].readableBytes)) else { return }
        if wires[end].readableBytes == 0 { wires[end] = ByteBuffer() }
        var back = watches[1 - end]
        watches[end].pass(part, &back)
        watches[1 - end] = back
        var bytes = part
        take(sessions[1 - end].receive(&bytes, at: now), at: 1 - end)
    }

    mutating func check() {
        for (end, session) in sessions.enumerated() { faults += session.faults().map { "end \(end): \($0)" } }
        faults += watches.flatMap(\.faults)
    }

    /// Closes everything and carries until nothing moves any more.
    mutating func finish() {
        for round in 0..<10_000 {
            for end in 0...1 {
                for id in streams.keys.sorted() where streams[id]?.isLive[end] == true {
                    read(id, at: end, all: true)
                    if round == 0 { close(id, at: end) }
                    // One that came to be known late, or not at all at the other end.
                    if streams[id]?.directions[end].isClosed == false { close(id, at: end) }
                }
                deliver(from: end, 60_000)
            }
            check()
            if wires.allSatisfy({ $0.readableBytes == 0 }), sessions.allSatisfy({ $0.streamCount == 0 }) { return }
        }
        faults.append("never silent: \(sessions.map(\.streamCount)) streams")
    }
}

@Suite("Yamux: random use against an oracle")
struct YamuxModelTests {
    @Test("all bytes arrive in order, nothing beyond a window, and everything ends", arguments: Seeds.first(24))
    func model(seed: UInt64) throws {
        var model = Model(seed: seed)
        for _ in 0..<400 where model.faults.isEmpty { try model.step() }
        if model.faults.isEmpty { model.finish() }
        #expect(model.faults == [])
        var whole = 0
        for (id, stream) in model.streams {
            for way in stream.directions {
                let length = way.received.readableBytes
                #expect(way.written.getSlice(at: 0, length: length) == way.received, "\(id)")
                guard !stream.isBroken else { continue }
                #expect(way.written.readableBytes == length && way.hasEnded, "\(id)")
                whole += 1
            }
        }
        #expect(whole > 0)
    }
}
