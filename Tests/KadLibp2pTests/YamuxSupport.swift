import Kademlia
import NIOCore

@testable import KadLibp2p

/// One session with what it was told about its streams, and what it wants sent.
struct YamuxEnd {
    var session: YamuxSession
    /// Frames that the session sent and that nobody took yet.
    var wire = ByteBuffer()
    var opened: [YamuxSession.StreamID] = []
    var accepted: Set<YamuxSession.StreamID> = []
    var received: [YamuxSession.StreamID: [UInt8]] = [:]
    var ended: Set<YamuxSession.StreamID> = []
    var failed: [YamuxSession.StreamID: YamuxError] = [:]
    var drained: [YamuxSession.StreamID: Int] = [:]
    var isGoneAway = false
    var closed: YamuxError?
    /// Every part is read as it comes.
    var reads = true

    init(_ role: Role, _ configure: (inout YamuxSession.Configuration) -> Void = { _ in }) {
        var configuration = YamuxSession.Configuration()
        configure(&configuration)
        session = YamuxSession(role: role, configuration: configuration)
    }

    mutating func take(_ directives: [YamuxSession.Directive], at now: Uptime = .zero) {
        for directive in directives {
            switch directive {
            case .send(var bytes): wire.writeBuffer(&bytes)
            case .opened(let id): opened.append(id)
            case .accepted(let id): accepted.insert(id)
            case .received(let id, let bytes):
                received[id, default: []] += Array(bytes.readableBytesView)
                if reads { take(session.consumed(bytes.readableBytes, on: id, at: now), at: now) }
            case .ended(let id): ended.insert(id)
            case .failed(let id, let error): failed[id] = error
            case .drained(let id): drained[id, default: 0] += 1
            case .goneAway: isGoneAway = true
            case .closed(let error): closed = error
            }
        }
    }

    mutating func open(at now: Uptime = .zero) throws -> YamuxSession.StreamID {
        let (id, directives) = try session.open(at: now)
        take(directives, at: now)
        return id
    }

    mutating func write(_ bytes: [UInt8], on id: YamuxSession.StreamID, at now: Uptime = .zero) throws {
        take(try session.write(ByteBuffer(bytes: bytes), on: id, at: now), at: now)
    }

    mutating func receive(_ bytes: [UInt8], at now: Uptime = .zero) {
        var buffer = ByteBuffer(bytes: bytes)
        take(session.receive(&buffer, at: now), at: now)
    }

    mutating func receive(_ frames: [YamuxFrame], at now: Uptime = .zero) {
        receive(frames.flatMap { $0.bytes() }, at: now)
    }

    /// The frames that wait on the wire; the bodies of data frames are left out.
    mutating func takeFrames() throws -> [YamuxFrame] {
        var frames: [YamuxFrame] = []
        while let frame = try YamuxFrame.decode(&wire) {
            frames.append(frame)
            if frame.kind == .data { wire.moveReaderIndex(forwardBy: Int(frame.length)) }
        }
        wire.clear()
        return frames
    }
}

extension YamuxFrame {
    func bytes(_ body: [UInt8] = []) -> [UInt8] {
        var buffer = ByteBuffer()
        encode(into: &buffer)
        return Array(buffer.readableBytesView) + body
    }

    static func data(
        _ stream: UInt32, _ flags: Flags = [], length: Int
    ) -> YamuxFrame { YamuxFrame(kind: .data, flags: flags, stream: stream, length: UInt32(length)) }

    static func update(
        _ stream: UInt32, _ flags: Flags = [], by length: UInt32 = 0
    ) -> YamuxFrame { YamuxFrame(kind: .windowUpdate, flags: flags, stream: stream, length: length) }

    static func ping(_ flags: Flags, _ value: UInt32) -> YamuxFrame {
        YamuxFrame(kind: .ping, flags: flags, length: value)
    }

    static func goAway(_ code: YamuxGoAway) -> YamuxFrame { YamuxFrame(kind: .goAway, length: code.rawValue) }
}

extension Uptime {
    static let zero = Uptime(milliseconds: 0)
    static func ms(_ milliseconds: Int64) -> Uptime { Uptime(milliseconds: milliseconds) }
}

/// Two sessions on one wire.
struct YamuxPair {
    var dialer: YamuxEnd
    var listener: YamuxEnd

    init(_ configure: (inout YamuxSession.Configuration) -> Void = { _ in }) {
        dialer = YamuxEnd(.dialer, configure)
        listener = YamuxEnd(.listener, configure)
    }

    /// Carries everything in parts of `size` bytes until both are silent.
    mutating func carry(inPartsOf size: Int = .max, at now: Uptime = .zero) {
        while dialer.wire.readableBytes + listener.wire.readableBytes > 0 {
            Self.carryOnce(from: &dialer, to: &listener, size, now)
            Self.carryOnce(from: &listener, to: &dialer, size, now)
        }
    }

    private static func carryOnce(from: inout YamuxEnd, to: inout YamuxEnd, _ size: Int, _ now: Uptime) {
        let length = min(size, from.wire.readableBytes)
        guard length > 0, var part = from.wire.readSlice(length: length) else { return }
        if from.wire.readableBytes == 0 { from.wire = ByteBuffer() }
        to.take(to.session.receive(&part, at: now), at: now)
    }
}

/// Bytes that show where they belong.
func yamuxPattern(_ count: Int, from start: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var position = start % patternTable.count
    while bytes.count < count {
        bytes += patternTable[position...].prefix(count - bytes.count)
        position = 0
    }
    return bytes
}

/// Of a prime length, so that no window or frame divides it.
private let patternTable = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
