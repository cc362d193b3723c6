import KadStore
import Kademlia
import Multiformats

/// The text: a line for each connection, indented ones below for its streams.
final class SwarmPeersTextReader: FormatReader {
    private var lines: LineReader
    /// The connection whose streams may follow, and where it stands.
    private var open: (connection: SwarmConnection, place: Place)?
    /// Whether the streams that follow are of a connection that was rejected.
    private var isRejected = false
    private var ready: [ImportItem] = []

    init(_ input: ByteInput) { lines = LineReader(input) }

    func next() throws(ExchangeError) -> ImportItem? {
        while true {
            if !ready.isEmpty { return ready.removeFirst() }
            guard let line = try lines.next() else { break }
            take(line)
        }
        finish()
        return ready.isEmpty ? nil : ready.removeFirst()
    }

    private func take(_ line: LineReader.Line) {
        let place = Place.line(lines.number)
        if let problem = line.problem {
            // It may have been a connection: the streams below it are nobody's that is known.
            if !SwarmPeersFormat.isIndented(line.raw) {
                finish()
                isRejected = true
            }
            return ready.append(.rejected(Rejection(place: place, reason: problem)))
        }
        let text = line.text.trimmed
        if text.isEmpty { return }
        if SwarmPeersFormat.isIndented(line.text), open != nil || isRejected {
            open?.connection.add(protocol: String(decoding: text, as: UTF8.self))
            return
        }
        finish()
        do throws(RejectionReason) {
            open = (try SwarmConnection(line: text), place)
        } catch {
            isRejected = true
            ready.append(.rejected(Rejection(place: place, reason: error, text: text)))
        }
    }

    /// Hands on the connection that all has been read of.
    private func finish() {
        isRejected = false
        guard let (connection, place) = open else { return }
        open = nil
        var notes: [ImportNote] = []
        do throws(RejectionReason) {
            ready.append(.peer(try connection.peer(&notes), key: nil, at: place))
        } catch {
            ready.append(.rejected(Rejection(place: place, reason: error)))
        }
        ready += notes.map(ImportItem.note)
    }
}

/// The JSON document.
final class SwarmPeersDocumentReader: FormatReader {
    private var records: JSONRecords
    private var notes: [ImportNote] = []

    init(_ input: ByteInput) { records = JSONRecords(input, .elements, of: "Peers") }

    func next() throws(ExchangeError) -> ImportItem? {
        if let note = notes.popLast() { return .note(note) }
        return try records.next { (text, place) throws(RejectionReason) in
            .peer(try Self.connection(text).peer(&notes), key: nil, at: place)
        }
    }

    private static func connection(_ text: UnsafeBufferPointer<UInt8>) throws(RejectionReason) -> SwarmConnection {
        var connection = SwarmConnection()
        var streams: [String] = []
        var reader = JSONReader(text)
        try reader.object { (name, reader) throws(RejectionReason) in
            if try reader.takeNull() { return }
            if name.equals("Peer") {
                connection.id = try reader.peerID("Peer", .libp2p)
            } else if name.equals("Addr") {
                let text = try reader.text("Addr")
                if !text.raw.isEmpty { connection.address = try text.address() }
            } else if name.equals("Latency") {
                connection.latency = try latency(reader.text("Latency"))
            } else if name.equals("Direction") {
                // libp2p's network.Direction: 0 unknown, 1 inbound, 2 outbound.
                connection.isInbound = try reader.number("Direction") == 1
            } else if name.equals("Streams") {
                try reader.forEach("Streams") { (reader) throws(RejectionReason) in
                    try reader.members("Streams") { (name, reader) throws(RejectionReason) in
                        guard name.equals("Protocol") else { return try reader.skip() }
                        let name = try reader.text("Protocol")
                        if streams.count < JSONReader.listLimit { streams.append(try name.string()) }
                    }
                }
            } else if name.equals("Identify") {
                try identify(&reader, &connection)
            } else {
                try reader.skip()
            }
        }
        try reader.finish()
        for name in streams { connection.add(protocol: name) }
        return connection
    }

    /// What the peer said of itself; all of it is empty where Kubo was not asked.
    private static func identify(
        _ reader: inout JSONReader, _ connection: inout SwarmConnection
    ) throws(RejectionReason) {
        try reader.members("Identify") { (name, reader) throws(RejectionReason) in
            if try reader.takeNull() { return }
            if name.equals("Addresses") {
                connection.unreadable += try reader.addresses("Addresses", into: &connection.listening)
            } else if name.equals("AgentVersion") {
                let agent = try reader.string("AgentVersion")
                if !agent.isEmpty { connection.agent = agent }
            } else if name.equals("Protocols") {
                try reader.forEach("Protocols") { (reader) throws(RejectionReason) in
                    connection.add(protocol: try reader.string("Protocols"))
                }
            } else {
                try reader.skip()
            }
        }
    }

    private static func latency(_ text: JSONReader.Text) throws(RejectionReason) -> Int64? {
        try text.withUTF8 { (utf8) throws(RejectionReason) in
            if utf8.isEmpty || utf8.equals("n/a") { return nil }
            guard let duration = GoDuration.microseconds(utf8) else {
                throw .wrongType("Latency", expected: "a duration such as 12.3ms, or n/a")
            }
            return duration
        }
    }
}
