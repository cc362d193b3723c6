import Kademlia
import NIOCore
import TestSupport
import Testing

@testable import KadLibp2p

@Suite("multistream-select")
struct MultistreamTests {
    private static let header = "\u{13}/multistream/1.0.0\n"

    private func text(_ buffer: ByteBuffer?) -> String? { buffer.map { String(buffer: $0) } }

    /// What one end makes of some text.
    private func receive(_ text: String, by end: inout MultistreamNegotiation) throws -> (String?, String?, String) {
        var bytes = ByteBuffer(string: text)
        let progress = try end.receive(&bytes)
        return (self.text(progress.send), progress.agreed, String(buffer: bytes))
    }

    @Test("a dialer sends the header and its first proposal at once; a listener waits")
    func beginning() {
        let dialer = MultistreamNegotiation(role: .dialer, protocols: ["/noise", "/tls/1.0.0"])
        #expect(text(dialer.begin()) == Self.header + "\u{7}/noise\n")
        #expect(MultistreamNegotiation(role: .listener, protocols: ["/noise"]).begin() == nil)
    }

    @Test("a dialer proposes the next when one is refused, and leaves what is behind the agreement")
    func dialer() throws {
        var dialer = MultistreamNegotiation(role: .dialer, protocols: ["/a", "/b"])
        #expect(try receive(Self.header, by: &dialer) == (nil, nil, ""))
        #expect(try receive("\u{3}na\n", by: &dialer) == ("\u{3}/b\n", nil, ""))
        #expect(try receive("\u{3}/b\n\u{3}/b\n", by: &dialer) == (nil, "/b", "\u{3}/b\n"))
    }

    @Test("a dialer gives up when all is refused, or when the answer is none")
    func refusals() throws {
        var dialer = MultistreamNegotiation(role: .dialer, protocols: ["/a"])
        #expect(throws: MultistreamError.noneAccepted) {
            try receive(Self.header + "\u{3}na\n", by: &dialer)
        }
        dialer = MultistreamNegotiation(role: .dialer, protocols: ["/a"])
        #expect(throws: MultistreamError.unexpected("/b")) { try receive(Self.header + "\u{3}/b\n", by: &dialer) }
        dialer = MultistreamNegotiation(role: .dialer, protocols: [])
        #expect(dialer.begin() == nil)
        #expect(throws: MultistreamError.noneAccepted) { try receive(Self.header + "\u{3}na\n", by: &dialer) }
    }

    @Test("a listener answers the header, refuses, lists and agrees, and leaves what follows")
    func listener() throws {
        var listener = MultistreamNegotiation(role: .listener, protocols: ["/a", "/bb"])
        #expect(try receive(Self.header, by: &listener) == (Self.header, nil, ""))
        #expect(try receive("\u{3}/c\n", by: &listener) == ("\u{3}na\n", nil, ""))
        #expect(try receive("\u{3}ls\n", by: &listener) == ("\u{a}\u{3}/a\n\u{4}/bb\n\n", nil, ""))
        #expect(try receive("\u{4}/bb\nrest", by: &listener) == ("\u{4}/bb\n", "/bb", "rest"))
    }

    @Test("a whole negotiation in one piece is answered in one piece")
    func pipelined() throws {
        var listener = MultistreamNegotiation(role: .listener, protocols: ["/a"])
        let answer = try receive(Self.header + "\u{3}/b\n\u{3}/a\nrequest", by: &listener)
        #expect(answer == (Self.header + "\u{3}na\n\u{3}/a\n", "/a", "request"))
    }

    @Test(
        "somebody who speaks something else is refused by the first byte that shows it",
        arguments: [
            "GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "\u{16}\u{3}\u{1}", "\0", "\u{13}/multistream/2.0.0\n",
            "\u{13}/multistream/1.0.0\r", "\u{7}/noise\n",
        ])
    func strangers(_ text: String) throws {
        for role in [Role.dialer, .listener] {
            var end = MultistreamNegotiation(role: role, protocols: ["/a"])
            let common = zip(text.utf8, Self.header.utf8).prefix { $0 == $1 }.count
            var bytes = ByteBuffer(bytes: text.utf8.prefix(common))
            #expect(try end.receive(&bytes).agreed == nil)
            bytes.writeBytes(text.utf8.dropFirst(common).prefix(1))
            let seen = MultistreamLine.printable(text.utf8.prefix(common + 1))
            #expect(throws: MultistreamError.header(seen)) { try end.receive(&bytes) }
        }
    }

    @Test(
        "lines that break the rules are refused",
        arguments: [
            ([0], .malformedLine), ([0x83, 0x00], .malformedLine), ([2, 0x61, 0x61], .malformedLine),
            ([0x81, 0x08], .lineTooLong(limit: 1024)), ([0xff, 0xff, 0xff, 0x7f], .lineTooLong(limit: 1024)),
        ] as [([UInt8], MultistreamError)])
    func lines(_ line: [UInt8], _ error: MultistreamError) throws {
        for role in [Role.dialer, .listener] {
            var end = MultistreamNegotiation(role: role, protocols: ["/a"])
            var bytes = ByteBuffer(bytes: Self.header.utf8 + line)
            #expect(throws: error) { try end.receive(&bytes) }
        }
    }

    @Test("what another end sent is told in a form that does no harm")
    func printable() {
        #expect(MultistreamLine.printable("a\u{1b}[2J\\é\n".utf8) == "a\\x1b[2J\\x5c\\xc3\\xa9\\x0a")
        #expect(MultistreamLine.printable(repeatElement(0x61, count: 1000)).count == 100)
        var dialer = MultistreamNegotiation(role: .dialer, protocols: ["/a"])
        #expect(throws: MultistreamError.unexpected("\\x1b")) {
            try receive(Self.header + "\u{2}\u{1b}\n", by: &dialer)
        }
    }

    @Test("names are compared by their bytes")
    func bytes() throws {
        // The Kelvin sign, which Unicode takes for K.
        var listener = MultistreamNegotiation(role: .listener, protocols: ["/K"])
        #expect("/\u{212a}" == "/K")
        #expect(try receive(Self.header + "\u{5}/\u{212a}\n", by: &listener).1 == nil)
    }

    @Test("a listener answers so many proposals and no more")
    func limit() throws {
        var listener = MultistreamNegotiation(role: .listener, protocols: ["/a"])
        _ = try receive(Self.header, by: &listener)
        for count in 0..<MultistreamNegotiation.proposalLimit {
            #expect(try receive(count.isMultiple(of: 2) ? "\u{3}/b\n" : "\u{3}ls\n", by: &listener).0 != nil)
        }
        #expect(throws: MultistreamError.tooManyProposals(limit: 20)) { try receive("\u{3}/a\n", by: &listener) }
    }

    @Test("the longest line is read, one byte more is not, and a line is never waited for beyond it")
    func longest() throws {
        let name = "/" + String(repeating: "x", count: 1022)
        var listener = MultistreamNegotiation(role: .listener, protocols: [name])
        var bytes = ByteBuffer()
        MultistreamLine.append(MultistreamLine.header, to: &bytes)
        MultistreamLine.append(Array(name.utf8), to: &bytes)
        #expect(try listener.receive(&bytes).agreed == name)
        var line = ByteBuffer(bytes: [0x81, 0x08])
        #expect(throws: MultistreamError.lineTooLong(limit: 1024)) { try MultistreamLine.read(from: &line) }
    }

    @Test(
        "two ends agree on the dialer's first that the listener speaks, however it is cut", arguments: Seeds.first(50))
    func agreement(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let names = (0..<8).map { "/protocol/\($0)" }
        let proposed = names.shuffled(using: &random).prefix(Int.random(in: 1...8, using: &random))
        let spoken = names.shuffled(using: &random).prefix(Int.random(in: 1...8, using: &random))
        let expected = proposed.first { spoken.contains($0) }
        var dialer = MultistreamNegotiation(role: .dialer, protocols: Array(proposed))
        var listener = MultistreamNegotiation(role: .listener, protocols: Array(spoken))
        var wires = [dialer.begin() ?? ByteBuffer(), ByteBuffer()]
        var waiting = [ByteBuffer(), ByteBuffer()]
        var agreed: [String?] = [nil, nil]
        var error: MultistreamError?
        while error == nil, let from = wires.indices.first(where: { wires[$0].readableBytes > 0 }) {
            let count = Int.random(in: 1...wires[from].readableBytes, using: &random)
            waiting[from].writeBytes(wires[from].readableBytesView.prefix(count))
            wires[from].moveReaderIndex(forwardBy: count)
            do throws(MultistreamError) {
                let progress =
                    from == 0 ? try listener.receive(&waiting[0]) : try dialer.receive(&waiting[1])
                if let send = progress.send { wires[1 - from].writeImmutableBuffer(send) }
                agreed[1 - from] = progress.agreed ?? agreed[1 - from]
            } catch let refusal {
                error = refusal
            }
        }
        #expect(agreed == [expected, expected])
        #expect(error == (expected == nil ? .noneAccepted : nil))
    }

    @Test("arbitrary bytes never trap, and little of them is kept", arguments: Seeds.first(50))
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for role in [Role.dialer, .listener] {
            var end = MultistreamNegotiation(role: role, protocols: ["/a", "/b"])
            var bytes = ByteBuffer(string: Bool.random(using: &random) ? Self.header : "")
            do throws(MultistreamError) {
                for _ in 0..<50 {
                    let count = Int.random(in: 0...40, using: &random)
                    // Mostly lengths that can be, so that some get far.
                    bytes.writeBytes((0..<count).map { _ in UInt8.random(in: 0...30, using: &random) })
                    let progress = try end.receive(&bytes)
                    #expect(bytes.readableBytes <= MultistreamLine.byteLimit + 2 || progress.agreed != nil)
                    if progress.agreed != nil { break }
                }
            } catch {}
        }
    }
}
