import KadStore

/// The beginning of a file, as recognition looks at it.
struct FileSample {
    /// How much is looked at.
    static let limit = 64 << 10

    /// Without a byte order mark and leading blank lines.
    let bytes: UnsafeBufferPointer<UInt8>
    /// Whether this is the whole file.
    let isWhole: Bool
    /// Where the file is; nil for pipes and the like.
    let path: String?

    /// - Parameter bytes: the first ``limit`` bytes of a file, or all of them.
    init(_ bytes: UnsafeBufferPointer<UInt8>, isWhole: Bool, path: String? = nil) {
        self.path = path
        var start = bytes.starts(with: Self.mark) ? Self.mark.count : 0
        while start < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[start]) { start += 1 }
        self.bytes = bytes.part(start..<bytes.count)
        self.isWhole = isWhole
    }

    /// UTF-8's byte order mark.
    static let mark: [UInt8] = [0xef, 0xbb, 0xbf]

    var first: UInt8? { bytes.first }

    /// The first line that is not blank, without its end.
    var firstLine: UnsafeBufferPointer<UInt8> {
        let end = bytes.offset(of: UInt8(ascii: "\n"), from: 0) ?? bytes.count
        let line = bytes.part(0..<end)
        return line.last == UInt8(ascii: "\r") ? line.part(0..<(end - 1)) : line
    }

    /// Calls `body` with each line that is there in full, until it returns false.
    func forEachLine(_ body: (UnsafeBufferPointer<UInt8>) -> Bool) {
        var start = 0
        while start < bytes.count {
            let newline = bytes.offset(of: UInt8(ascii: "\n"), from: start)
            guard newline != nil || isWhole else { return }
            let end = newline ?? bytes.count
            var line = bytes.part(start..<end)
            if line.last == UInt8(ascii: "\r") { line = line.part(0..<(line.count - 1)) }
            guard body(line) else { return }
            start = end + 1
        }
    }

    /// Whether the file is an SQLite database.
    var isSQLite: Bool { bytes.starts(with: Array("SQLite format 3\0".utf8)) }

    /// Whether the file is an SQLite database of ours, by the application id in its header.
    var isStore: Bool {
        isSQLite && bytes.count >= 72
            && bytes.part(68..<72).reduce(0) { $0 << 8 | Int64($1) } == Store.applicationID
    }

    /// Whether all of these are members of the JSON object that the file begins with.
    func hasMembers(_ names: StaticString...) -> Bool {
        guard first == UInt8(ascii: "{") else { return false }
        var found = 0
        var reader = JSONReader(bytes)
        // An object that is cut off by the end of the sample has shown its first members.
        try? reader.object { (name, reader) throws(RejectionReason) in
            if names.contains(where: name.equals) { found += 1 }
            try reader.skip()
        }
        return found >= names.count
    }
}

extension FileSample {
    /// The names of the members of the bencoded dictionary that the file begins with, up to where the sample ends.
    var bencodeKeys: [String] {
        guard first == UInt8(ascii: "d"), bytes.count > 1, bytes[1] &- UInt8(ascii: "0") < 10 else { return [] }
        var reader = BencodeReader(Array(bytes))
        var names: [String] = []
        while let event = try? reader.next() {
            guard case .key(let range) = event, reader.depth == 1 else { continue }
            names.append(String(decoding: reader.bytes[range.prefix(64)], as: UTF8.self))
        }
        return names
    }
}

/// Files that are no format of ours, and what to do with them.
enum FileClue {
    static func text(_ sample: FileSample) -> String? {
        func begins(_ bytes: [UInt8]) -> Bool { sample.bytes.starts(with: bytes) }
        if sample.bytes.isEmpty { return "empty: there is nothing to import." }
        if sample.isSQLite {
            return sample.isStore
                ? "a kadstore database: it is not imported but named with --db. To merge it into another: "
                    + "kadstore export --db FILE | kadstore import --db OTHER -"
                : "an SQLite database, and none of the kinds that are read (py-libp2p's peerstore)."
        }
        if begins([0x1f, 0x8b]) { return "compressed with gzip. Import it with: gunzip -c FILE | kadstore import -" }
        if begins([0x28, 0xb5, 0x2f, 0xfd]) {
            return "compressed with zstd. Import it with: zstd -dc FILE | kadstore import -"
        }
        if begins([0xfd, 0x37, 0x7a, 0x58, 0x5a]) {
            return "compressed with xz. Import it with: xz -dc FILE | kadstore import -"
        }
        if begins(Array("PK\u{3}\u{4}".utf8)) { return "a ZIP archive. Extract it first." }
        if begins([0xff, 0xfe]) || begins([0xfe, 0xff]) { return "UTF-16 text. Convert it to UTF-8 first." }
        if sample.first.map({ 0x80..<0xa0 ~= $0 || 0xdc..<0xe0 ~= $0 }) ?? false {
            return "perhaps MessagePack, but not nodes as OpenDHT writes them."
        }
        let names = sample.bencodeKeys
        if names.contains("info") || names.contains("announce") {
            return "a torrent file: it names no DHT nodes that are peers."
        }
        if !names.isEmpty {
            return "bencode without a 'dht state': no session file of libtorrent, and not Transmission's dht.dat."
        }
        return nil
    }
}
