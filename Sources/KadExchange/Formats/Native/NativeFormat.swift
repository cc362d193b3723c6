import Crypto
import KadStore
import Kademlia

/// Our own format: JSON Lines with everything that a store holds, but for its secret salt. See ``NativeRecord``.
enum NativeFormat: FormatCodec {
    static var summary: String { "kadstore's own JSON Lines: everything a store holds" }
    static var networks: [Network]? { nil }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        guard sample.hasMembers("kadstore") else { return .no }
        do throws(RejectionReason) {
            guard sample.firstLine.isUTF8,
                case .header(let header) = try NativeParser(network: .libp2p).record(sample.firstLine)
            else { return .near("its first line is damaged") }
            return .yes(network: header.network, scope: header.scope)
        } catch {
            return .near("its first line cannot be used: \(error)")
        }
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        NativeReader(NativeLines(input, network: network))
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { NativeWriter(context) }
}

/// The lines of a native file, counted and hashed as they go by.
struct NativeLines {
    /// A peer with all the history that is kept of one stays below this.
    private static let lineLimit = 4 << 20

    enum Line {
        case record(NativeRecord)
        case bad(RejectionReason, excerpt: String?)
        /// The footer, and whether it is right; the last line.
        case footer(RejectionReason?)
        /// The end of the input, without a footer or behind it.
        case end(RejectionReason?)
    }

    private var lines: LineReader
    private let parser: NativeParser
    private var hash = SHA256()
    private var counts = NativeCounts()
    private var sawFooter = false
    private var sawBadLine = false

    init(_ input: ByteInput, network: Network) {
        lines = LineReader(input, limit: Self.lineLimit)
        parser = NativeParser(network: network)
    }

    var place: Place { .line(lines.number) }

    /// The beginning of the last line.
    func text(limit: Int = NativeLines.lineLimit + 2) -> [UInt8]? { lines.text(limit: limit) }

    mutating func next() throws(ExchangeError) -> Line {
        while let line = try lines.next() {
            if line.problem == nil, line.text.trimmed.isEmpty {
                hash.update(bufferPointer: UnsafeRawBufferPointer(line.raw))
                continue
            }
            if sawFooter { return .end(.behindEnd) }
            let parsed = parse(line)
            if case .record(.footer(let counts, let digest)) = parsed {
                sawFooter = true
                return .footer(check(counts, digest))
            }
            hash.update(bufferPointer: UnsafeRawBufferPointer(line.raw))
            return parsed
        }
        return .end(sawFooter ? nil : .noFooter)
    }

    private mutating func parse(_ line: LineReader.Line) -> Line {
        do throws(RejectionReason) {
            if let problem = line.problem { throw problem }
            let record = try parser.record(line.text)
            count(record)
            return .record(record)
        } catch {
            sawBadLine = true
            return .bad(error, excerpt: line.text.isEmpty ? nil : Printable.text(line.text))
        }
    }

    private mutating func count(_ record: NativeRecord) {
        switch record {
        case .peer: counts.peers += 1
        case .candidate: counts.candidates += 1
        case .tombstone: counts.tombstones += 1
        case .identity: counts.identities += 1
        case .bucket: counts.buckets += 1
        case .held: counts.held += 1
        case .session: counts.sessions += 1
        case .lookup: counts.lookups += 1
        case .header, .witnesses, .lookupTotals, .footer: break
        }
    }

    private func check(_ stated: NativeCounts, _ digest: [UInt8]) -> RejectionReason? {
        guard Array(hash.finalize()) != digest else {
            return stated == counts || sawBadLine ? nil : .checksum("the closing line's counts are not the file's")
        }
        guard stated == counts else {
            return .checksum(
                "the closing line tells of \(stated.peers) peers, \(counts.peers) are there: the file was changed")
        }
        return .checksum("the closing line's SHA-256 is not the file's: it was changed")
    }
}

/// Takes a native file for a foreign one.
private final class NativeReader: FormatReader {
    private var lines: NativeLines
    private var isDone = false

    init(_ lines: NativeLines) { self.lines = lines }

    func record(limit: Int) -> [UInt8]? { lines.text(limit: limit) }

    func next() throws(ExchangeError) -> ImportItem? {
        while !isDone {
            let line = try lines.next()
            switch line {
            case .record(.header), .record(.footer): continue
            case .record(.peer(let peer)): return .peer(peer.foreign, key: peer.key, at: lines.place)
            case .record(.candidate(let candidate)):
                return .candidate(
                    candidate.address, firstSeen: candidate.firstSeen, lastSeen: candidate.lastSeen, at: lines.place)
            case .record(.tombstone): return .note(.restoreOnly("tombstones"))
            case .record(.identity): return .note(.restoreOnly("identities"))
            case .record(.bucket): return .note(.restoreOnly("buckets"))
            case .record(.held): return .note(.restoreOnly("held failures"))
            case .record(.session): return .note(.restoreOnly("sessions"))
            case .record(.lookup): return .note(.restoreOnly("lookups"))
            case .record(.witnesses), .record(.lookupTotals): continue
            case .bad(let reason, let excerpt):
                return .rejected(Rejection(place: lines.place, reason: reason, excerpt: excerpt))
            case .footer(nil): return .note(.verified)
            case .footer(let problem?), .end(let problem?):
                isDone = true
                return .fault(ImportFault(place: lines.place, reason: problem))
            case .end(nil): isDone = true
            }
        }
        return nil
    }
}
