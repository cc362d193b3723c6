/// Writes bencode (BEP 3). Keys of a dictionary are written in the order they are given in: the caller sorts them.
struct BencodeWriter {
    private(set) var bytes: [UInt8] = []

    mutating func dictionary(_ members: (inout BencodeWriter) -> Void) { container("d", members) }

    mutating func list(_ elements: (inout BencodeWriter) -> Void) { container("l", elements) }

    mutating func key(_ name: StaticString) {
        name.withUTF8Buffer { string($0) }
    }

    mutating func string(_ value: some Collection<UInt8>) {
        Decimal.append(Int64(value.count), to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(contentsOf: value)
    }

    mutating func integer(_ value: Int64) {
        bytes.append(UInt8(ascii: "i"))
        Decimal.append(value, to: &bytes)
        bytes.append(UInt8(ascii: "e"))
    }

    private mutating func container(_ mark: Unicode.Scalar, _ body: (inout BencodeWriter) -> Void) {
        bytes.append(UInt8(ascii: mark))
        body(&self)
        bytes.append(UInt8(ascii: "e"))
    }
}
