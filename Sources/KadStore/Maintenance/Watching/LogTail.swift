#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Follows a write-ahead log from outside: how many commits came since the last look, and which pages they wrote.
///
/// The log says what no index does, which rows of a large table have just changed, at a cost that goes by the changes
/// alone. It is read as a file (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>), without a lock or a
/// transaction, so nobody is kept from emptying it. What was written just before it began anew may be missed: this is for
/// a look, not for a copy. Unlike the database and its `-shm` file, the log may be opened and closed at will: SQLite has
/// no locks on it.
struct LogTail {
    /// What was committed since the last look.
    struct News {
        var commits = 0
        /// Pages that were written; one that was written by two commits counts twice.
        var pages = 0
        /// The latest contents of those pages, each once, at most ``LogTail/maximumPages``.
        var contents: [[UInt8]] = []
        /// Whether no page was left out of `contents`, and the log did not begin anew meanwhile.
        var isComplete = true
    }

    /// The most pages that one look reads: 4 MiB of 4 KiB.
    static let maximumPages = 1_024

    private let path: String
    /// What tells one run of the log from the next; nil before the first.
    private var salt: UInt64?
    /// Where the frame after the last commit that was seen begins.
    private var position = Int64(LogFormat.headerBytes)

    /// Begins at the end: what the log holds already is old.
    init(path: String) {
        self.path = path
        _ = read(contents: false)
    }

    mutating func read() -> News { read(contents: true) }

    private mutating func read(contents wantsContents: Bool) -> News {
        var news = News()
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return news }
        defer { close(descriptor) }
        guard let header = LogFormat.bytes(descriptor, at: 0, count: LogFormat.headerBytes),
            let log = LogFormat.Header(header)
        else { return news }
        if log.salt != salt {
            // Nothing is missed when the log was at its end before it began anew: nobody can tell.
            news.isComplete = salt == nil
            salt = log.salt
            position = Int64(LogFormat.headerBytes)
        }
        var frames: [UInt32: Int64] = [:]
        var open: [(page: UInt32, at: Int64)] = []
        var at = position
        while let frame = LogFormat.bytes(descriptor, at: at, count: LogFormat.frameHeaderBytes),
            BigEndian.number64(frame, 8) == log.salt
        {
            open.append((BigEndian.number(frame, 0), at))
            at += Int64(LogFormat.frameHeaderBytes + log.pageBytes)
            // Only the last frame of a commit says how large the database is. What follows it may be taken back.
            guard BigEndian.number(frame, 4) != 0 else { continue }
            news.commits += 1
            news.pages += open.count
            if wantsContents { for frame in open { frames[frame.page] = frame.at } }
            open.removeAll(keepingCapacity: true)
            position = at
        }
        // In the order of the log, so that what is left out does not depend on a dictionary.
        let latest = frames.values.sorted()
        if latest.count > Self.maximumPages { news.isComplete = false }
        for at in latest.suffix(Self.maximumPages) {
            let start = at + Int64(LogFormat.frameHeaderBytes)
            guard let page = LogFormat.bytes(descriptor, at: start, count: log.pageBytes) else { continue }
            news.contents.append(page)
        }
        return news
    }
}
