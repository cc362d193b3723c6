import NIOCore

/// Agreement on the protocol of a connection or of a stream, by multistream-select 1.0.0: the dialer proposes one after the
/// other until the listener echoes one.
///
/// A pure value. Bytes behind the agreement stay where they are: they are the protocol's.
struct MultistreamNegotiation {
    struct Progress {
        /// To be sent as it is.
        var send: ByteBuffer?
        /// The protocol that is spoken from now on. It comes once; call no more after it.
        var agreed: String?
    }

    /// The most lines that a listener answers on one connection or stream before the agreement. A node proposes what it
    /// speaks of one kind: four security protocols, a handful of versions of an application's.
    static let proposalLimit = 20

    private let role: Role
    private let names: [String]
    private let protocols: [[UInt8]]
    private var hasHeader = false
    /// Dialer: the proposal that waits for its answer. Listener: the number of lines answered.
    private var position = 0

    /// - Parameter protocols: those that are spoken here; a dialer proposes them in their order. Names of up to 1,023 bytes.
    init(role: Role, protocols: [String]) {
        self.role = role
        names = protocols
        self.protocols = protocols.map { Array($0.utf8) }
    }

    /// What a dialer sends first: the header, and its first proposal without waiting for the other's header. A listener waits.
    func begin() -> ByteBuffer? {
        guard role == .dialer, let first = protocols.first else { return nil }
        var output = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &output)
        MultistreamLine.append(first, to: &output)
        return output
    }

    /// Takes what has come: removes whole lines from `bytes`, up to the agreement. A line that is not whole stays; call again
    /// with what follows appended to it.
    mutating func receive(_ bytes: inout ByteBuffer) throws(MultistreamError) -> Progress {
        var output = ByteBuffer()
        var agreed: String?
        if !hasHeader {
            guard try readHeader(from: &bytes) else { return Progress() }
            hasHeader = true
            if role == .listener { MultistreamLine.append(MultistreamLine.header, to: &output) }
        }
        while agreed == nil, let line = try MultistreamLine.read(from: &bytes) {
            agreed =
                switch role {
                case .dialer: try answered(line, output: &output)
                case .listener: try proposed(line, output: &output)
                }
        }
        return Progress(send: output.readableBytes > 0 ? output : nil, agreed: agreed)
    }

    /// Removes the header from the front of `bytes`; false while it is not whole. Bytes that cannot become it are refused at
    /// once, and not when as many are there as their first one counts: somebody who speaks another protocol may wait too.
    private func readHeader(from bytes: inout ByteBuffer) throws(MultistreamError) -> Bool {
        var expected = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &expected)
        let start = bytes.readableBytesView.prefix(expected.readableBytes)
        guard expected.readableBytesView.starts(with: start) else {
            throw .header(MultistreamLine.printable(start))
        }
        guard start.count == expected.readableBytes else { return false }
        bytes.moveReaderIndex(forwardBy: start.count)
        return true
    }

    private mutating func answered(
        _ line: [UInt8], output: inout ByteBuffer
    ) throws(MultistreamError) -> String? {
        guard position < protocols.count else { throw .noneAccepted }
        if line == protocols[position] { return names[position] }
        guard line == MultistreamLine.notAvailable else { throw .unexpected(MultistreamLine.printable(line)) }
        position += 1
        guard position < protocols.count else { throw .noneAccepted }
        MultistreamLine.append(protocols[position], to: &output)
        return nil
    }

    private mutating func proposed(
        _ line: [UInt8], output: inout ByteBuffer
    ) throws(MultistreamError) -> String? {
        position += 1
        guard position <= Self.proposalLimit else { throw .tooManyProposals(limit: Self.proposalLimit) }
        if line == MultistreamLine.list {
            MultistreamLine.append(list: protocols, to: &output)
            return nil
        }
        guard let index = protocols.firstIndex(of: line) else {
            MultistreamLine.append(MultistreamLine.notAvailable, to: &output)
            return nil
        }
        MultistreamLine.append(line, to: &output)
        return names[index]
    }
}
