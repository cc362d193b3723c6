import KadStore
import Kademlia
import Multiformats

/// py-libp2p's persistent peerstore over SQLite (`libp2p/peer/persistent/datastore/sqlite.py`): one table of keys and
/// values.
///
///     datastore(key BLOB PRIMARY KEY, value BLOB NOT NULL)
///     addr:<peer id>  ->  a Protocol Buffers message: repeated bytes addresses = 1, each a binary multiaddr
///
/// Other prefixes hold other things, `key:` private keys among them. Only the range of `addr:` is asked for, through the
/// index, so that no other row is ever read. The times to live that py-libp2p gives to addresses are not in the file.
enum PyLibp2pFormat: FormatCodec {
    static var summary: String { "py-libp2p's persistent peerstore (SQLite; its addresses only)" }
    static var networks: [Network]? { [.libp2p] }
    static var isText: Bool { false }

    static func recognise(_ sample: FileSample) -> Recognition {
        guard sample.isSQLite, !sample.isStore else { return .no }
        guard let path = sample.path else {
            // What SQLite keeps of the statement that made the table, on the first page of the file.
            return sample.bytes.contains(Array("CREATE TABLE datastore".utf8)) ? .yes() : .no
        }
        do throws(SQLiteError) {
            let database = try ForeignDatabase(path)
            guard try database.hasTable("datastore") else { return .no }
            _ = try database.prepare(query)
            return .yes()
        } catch  where error.code == 1 {
            return .known("an SQLite database with a table 'datastore' that is not py-libp2p's: \(shown(error)).")
        } catch {
            return .known("an SQLite database that cannot be read: \(shown(error)).")
        }
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader { PyLibp2pReader(input) }

    /// By the index of the primary key alone, or not at all: `;` follows `:`. A value over the limit is not loaded.
    static let query = """
        SELECT key, CASE WHEN typeof(value) = 'blob' AND length(value) <= \(valueLimit) THEN value END, typeof(value) = 'blob'
        FROM datastore INDEXED BY sqlite_autoindex_datastore_1
        WHERE key >= X'616464723a' AND key < X'616464723b' ORDER BY key
        """
    static let prefix = Array("addr:".utf8)
    /// The most bytes of a peer's addresses: a thousand of the longest.
    static let valueLimit = 1 << 20

    static func shown(_ error: SQLiteError) -> String {
        let text = Printable.text(error.message, limit: 200)
        // A log or journal that was left behind is read with an index beside it, or rolled back.
        guard error.code == 14 || error.code == 8 else { return text }
        return text + " (if there is a -wal or -journal file beside it, copy both to a folder that can be written)"
    }
}

private final class PyLibp2pReader: FormatReader {
    private let input: ByteInput
    /// Where the database is kept that came through a pipe.
    private var spool: SpooledFile?
    private var rows: Statement?
    private var number = 0
    private var last: [UInt8] = []
    private var notes: [ImportNote] = []
    private var isDone = false

    init(_ input: ByteInput) { self.input = input }

    func next() throws(ExchangeError) -> ImportItem? {
        if let note = notes.popLast() { return .note(note) }
        guard !isDone else { return nil }
        if rows == nil { rows = try open() }
        guard let rows else { return nil }
        do throws(SQLiteError) {
            guard try rows.step() else {
                isDone = true
                return nil
            }
        } catch {
            return fault(.database(error))
        }
        number += 1
        return read(key: rows.array(0), rows)
    }

    private func read(key: [UInt8], _ rows: Statement) -> ImportItem {
        let place = Place.row(number)
        // The index is in order. One that is not may lead in circles.
        guard last.lexicographicallyPrecedes(key) else {
            return fault(.contradiction("its keys are not in order: the database is damaged"))
        }
        last = key
        do throws(RejectionReason) {
            guard let id = PeerID(key[PyLibp2pFormat.prefix.count...]) else {
                throw .peerID(.tooLong(count: key.count, maximum: PeerID.byteCounts.upperBound))
            }
            guard PeerIDEncoding.libp2p.admits(id) else { throw .foreignID("the key is no libp2p peer id") }
            guard !rows.isNull(1) else {
                throw rows.int64(2) == 1
                    ? .tooLong(limit: PyLibp2pFormat.valueLimit) : .wrongType("value", expected: "a blob")
            }
            var message = AddressMessage(rows.array(1)[...])
            var peer = ImportedPeer(id: id)
            var unreadable = false
            while let bytes = try message.next() {
                guard let address = try? Multiaddr(bytes: bytes) else {
                    unreadable = true
                    continue
                }
                if peer.addresses.count < JSONReader.listLimit { peer.addresses.append(ImportedPeer.Address(address)) }
            }
            if unreadable { notes.append(.unreadableAddress) }
            return .peer(peer, key: nil, at: place)
        } catch {
            return .rejected(
                Rejection(
                    place: place, reason: error,
                    excerpt: Hex.encode(key.dropFirst(PyLibp2pFormat.prefix.count).prefix(40))))
        }
    }

    private func open() throws(ExchangeError) -> Statement {
        if input.path == nil { spool = try SpooledFile(input, limit: try size()) }
        let path = spool?.path ?? input.path ?? ""
        do throws(SQLiteError) {
            // The statement keeps the connection.
            return try ForeignDatabase(path).prepare(PyLibp2pFormat.query)
        } catch {
            throw .unsupported(
                name: input.name, reason: "cannot be read as a peerstore of py-libp2p: \(PyLibp2pFormat.shown(error)).")
        }
    }

    /// What the database in the input says to have, in bytes: whoever writes a pipe for ever must not fill the disk.
    private func size() throws(ExchangeError) -> Int64 {
        try input.fill(atLeast: SQLiteHeader.byteCount)
        guard let bytes = SQLiteHeader.fileBytes(input.window) else {
            throw .unsupported(name: input.name, reason: "is no SQLite database, or says not how long it is.")
        }
        return bytes
    }

    private func fault(_ reason: RejectionReason) -> ImportItem {
        isDone = true
        return .fault(ImportFault(place: .row(number), reason: reason))
    }
}

/// The values of field 1 in a Protocol Buffers message; other fields are passed over.
struct AddressMessage {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next; nil at the end.
    mutating func next() throws(RejectionReason) -> ArraySlice<UInt8>? {
        while !rest.isEmpty {
            let tag = try number()
            switch tag & 7 {
            case 0: _ = try number()
            case 1: _ = try take(8)
            case 2:
                let value = try take(number())
                if tag >> 3 == 1 { return value }
            case 5: _ = try take(4)
            default: throw .protobuf
            }
        }
        return nil
    }

    private mutating func number() throws(RejectionReason) -> UInt64 {
        do throws(VarintError) {
            return try Varint.read(from: &rest)
        } catch {
            throw .protobuf
        }
    }

    private mutating func take(_ count: UInt64) throws(RejectionReason) -> ArraySlice<UInt8> {
        guard count <= UInt64(rest.count) else { throw .protobuf }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }
}
