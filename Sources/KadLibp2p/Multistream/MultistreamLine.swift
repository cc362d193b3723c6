import Kademlia
import Multiformats
import NIOCore

/// The unit of multistream-select: a varint length, and as many bytes, of which the last is a newline.
enum MultistreamLine {
    /// The most bytes of a line, with its newline: the limit that go-multistream has too.
    static let byteLimit = 1024

    static let header = Array("/multistream/1.0.0".utf8)
    /// The answer to a protocol that is not spoken here.
    static let notAvailable = Array("na".utf8)
    /// The question which protocols are spoken here.
    static let list = Array("ls".utf8)

    private static let newline = UInt8(ascii: "\n")

    static func append(_ text: [UInt8], to output: inout ByteBuffer) {
        append(length: text.count + 1, to: &output)
        output.writeBytes(text)
        output.writeInteger(newline)
    }

    /// Appends the answer to ``list``: a line whose text is lines.
    static func append(list protocols: [[UInt8]], to output: inout ByteBuffer) {
        var lines = ByteBuffer()
        for name in protocols { append(name, to: &lines) }
        append(length: lines.readableBytes + 1, to: &output)
        output.writeBuffer(&lines)
        output.writeInteger(newline)
    }

    /// The beginning of what another end sent, for people: printable ASCII, and `\xNN` for all else, so that it does no harm
    /// in a log or on a terminal.
    static func printable(_ bytes: some Sequence<UInt8>) -> String {
        bytes.prefix(printableLimit).reduce(into: "") { text, byte in
            if (0x20..<0x7f).contains(byte) && byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x" + Hex.encode([byte])
            }
        }
    }

    /// Enough to tell a protocol by, in bytes.
    private static let printableLimit = 100

    private static func append(length: Int, to output: inout ByteBuffer) {
        var prefix: [UInt8] = []
        Varint.append(UInt64(length), to: &prefix)
        output.writeBytes(prefix)
    }

    /// Removes a line from the front of `bytes`.
    ///
    /// - Returns: its text without the newline; nil, and `bytes` as it was, while it is not whole.
    static func read(from bytes: inout ByteBuffer) throws(MultistreamError) -> [UInt8]? {
        // Two bytes hold every length within the limit; a third shows that a varint goes on.
        guard let start = bytes.getBytes(at: bytes.readerIndex, length: min(3, bytes.readableBytes)) else { return nil }
        var rest = start[...]
        let length: UInt64
        do throws(VarintError) {
            length = try Varint.read(from: &rest, byteLimit: 2)
        } catch {
            switch error {
            case .truncated: return nil
            case .tooLong: throw .lineTooLong(limit: byteLimit)
            case .notMinimal: throw .malformedLine
            }
        }
        guard length <= UInt64(byteLimit) else { throw .lineTooLong(limit: byteLimit) }
        guard length > 0 else { throw .malformedLine }
        let prefixCount = start.count - rest.count
        let textCount = Int(length) - 1
        guard bytes.readableBytes >= prefixCount + textCount + 1 else { return nil }
        bytes.moveReaderIndex(forwardBy: prefixCount)
        guard let text = bytes.readBytes(length: textCount), bytes.readInteger() == newline else {
            throw .malformedLine
        }
        return text
    }
}
