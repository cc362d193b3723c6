#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the log beside a database holds of it, as far as its checksums go.
public struct LogState: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// There is none, and nothing says that there should be.
        case none
        /// There is none, and the index of one beside the file.
        case missing
        /// All of it can be read, or there is nothing in it.
        case whole
        /// Its first bytes are not a log's.
        case unreadable
        /// It ends in frames that cannot be believed: of commits that were not finished, as a killed process or a loss of
        /// power leaves them, or damaged.
        case cut
        /// A frame is damaged, and finished commits stand behind it, which SQLite passes over without a word. A loss of power
        /// that wrote pages in another order leaves the same.
        case broken
        /// Its frames are of another run: nothing in it is of this file.
        case stale
    }

    public var kind = Kind.none
    /// Pages of finished commits, which stand for those of the file.
    public var frames = 0
    /// Frames after the last finished commit that can be reached.
    public var framesIgnored = 0
    /// Of them, those of finished commits behind a damaged frame.
    public var framesBehind = 0
    /// Where in the log the damaged frame begins.
    var breakAt: Int64 = 0

    /// What a check says of it; nil where nothing is wrong that can be told from a killed process.
    var problem: String? {
        switch kind {
        case .broken:
            "a page of the log is damaged at byte \(breakAt), and \(framesBehind) pages of finished commits stand behind it"
        case .unreadable: "the log's first bytes are not a log's"
        case .none, .missing, .whole, .cut, .stale: nil
        }
    }
}

/// The pages that a log holds.
final class DamagedLog {
    private(set) var state = LogState()
    /// Pages of finished commits behind a damaged frame, oldest first.
    private(set) var behind: [(page: UInt32, at: Int64)] = []
    /// Where the latest content of each page stands.
    private(set) var places: [UInt32: Int64] = [:]
    private(set) var pageBytes = 0
    /// How many pages the database has, after the last commit.
    private(set) var pageCount: UInt32 = 0

    private let descriptor: Int32

    init(of database: String) {
        descriptor = open(DatabaseFiles.log(of: database), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if fileSize(WriteLock.realPath(database) + "-shm") > 0 { state.kind = .missing }
            return
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return }
        guard let bytes = LogFormat.bytes(descriptor, at: 0, count: LogFormat.headerBytes),
            let header = LogFormat.Header(bytes), let sum = header.sum
        else {
            state.kind = .unreadable
            return
        }
        pageBytes = header.pageBytes
        read(header, sum, size: Int64(status.st_size))
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private func read(_ header: LogFormat.Header, _ start: LogFormat.Sum, size: Int64) {
        let step = Int64(LogFormat.frameHeaderBytes + pageBytes)
        var sum = start
        var at = Int64(LogFormat.headerBytes)
        var open: [(page: UInt32, at: Int64)] = []
        while let frame = LogFormat.bytes(descriptor, at: at, count: LogFormat.frameHeaderBytes),
            let page = LogFormat.bytes(descriptor, at: at + Int64(LogFormat.frameHeaderBytes), count: pageBytes),
            let next = header.sum(after: sum, frame: frame, page: page)
        {
            sum = next
            open.append((BigEndian.number(frame, 0), at + Int64(LogFormat.frameHeaderBytes)))
            at += step
            let committed = BigEndian.number(frame, 4)
            guard committed != 0 else { continue }
            for frame in open { places[frame.page] = frame.at }
            state.frames += open.count
            open.removeAll(keepingCapacity: true)
            pageCount = committed
        }
        let (ofRun, others) = rest(header, from: at, step, size)
        state.framesIgnored = open.count + ofRun
        if ofRun > 0 { lookBehind(header, at, step) }
        // Frames of an earlier run behind those of this one are what every log has that began anew.
        state.kind =
            !behind.isEmpty
            ? .broken : state.framesIgnored > 0 ? .cut : state.frames == 0 && others > 0 ? .stale : .whole
    }

    /// Finds commits behind the frame at `start`, whose sum is wrong. A frame's own sum goes on from the one that the frame
    /// before states, so those are told from what was never finished.
    private func lookBehind(_ header: LogFormat.Header, _ start: Int64, _ step: Int64) {
        var open: [(page: UInt32, at: Int64)] = []
        var at = start
        var before = LogFormat.bytes(descriptor, at: at, count: LogFormat.frameHeaderBytes)
        while let last = before {
            at += step
            guard let frame = LogFormat.bytes(descriptor, at: at, count: LogFormat.frameHeaderBytes),
                let page = LogFormat.bytes(descriptor, at: at + Int64(LogFormat.frameHeaderBytes), count: pageBytes)
            else { break }
            before = frame
            guard header.sum(after: LogFormat.Sum(statedBy: last), frame: frame, page: page) != nil else {
                open.removeAll(keepingCapacity: true)
                continue
            }
            open.append((BigEndian.number(frame, 0), at + Int64(LogFormat.frameHeaderBytes)))
            guard BigEndian.number(frame, 4) != 0 else { continue }
            behind += open
            open.removeAll(keepingCapacity: true)
        }
        state.breakAt = start
        state.framesBehind = behind.count
    }

    /// What a log that others may be writing holds: a frame that is just being written looks damaged for a moment.
    static func state(of database: String) -> LogState {
        var state = DamagedLog(of: database).state
        for _ in 0..<3 where state.problem != nil {
            let again = DamagedLog(of: database).state
            if again == state { break }
            state = again
        }
        return state
    }

    /// The frames from a place on: of this run of the log, and of others.
    private func rest(_ header: LogFormat.Header, from start: Int64, _ step: Int64, _ size: Int64) -> (Int, Int) {
        var (ofRun, others) = (0, 0)
        for at in stride(from: start, to: size, by: Int64.Stride(step)) {
            guard let frame = LogFormat.bytes(descriptor, at: at, count: LogFormat.frameHeaderBytes) else { break }
            if BigEndian.number64(frame, 8) == header.salt { ofRun += 1 } else { others += 1 }
        }
        return (ofRun, others)
    }

    /// The latest content of a page, where the log has it.
    func page(_ number: UInt32) -> [UInt8]? {
        places[number].flatMap(bytes)
    }

    /// The page at a place in the log.
    func bytes(at place: Int64) -> [UInt8]? {
        LogFormat.bytes(descriptor, at: place, count: pageBytes)
    }
}
