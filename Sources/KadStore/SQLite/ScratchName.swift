#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A name in a folder that nothing else has, for a file that is to be there for a while only: gone with this value, and all
/// that SQLite and the store keep beside it. What processes that were killed left in that folder is removed first.
///
/// Beside the file lies an empty one, `NAME-owner`, which the process keeps locked. The file is left over when that lock is
/// free. The number of the process, which the name says for people, tells nothing: in a container everybody is the first. A
/// lock on the file itself would meet SQLite's own on some file systems. Where locks do not work nothing is ever removed.
/// Where they hold for one machine only, as on some network file systems, two machines must not share a folder; they
/// could not share a store there either.
package final class ScratchName: Sendable {
    /// Short: SQLite needs room for the names of the companions.
    package let path: String
    private let owner: Int32

    package struct Fault: Error {
        /// `errno`.
        package let code: Int32
    }

    /// Finds a name, and makes no file of that name.
    package init(in folder: String) throws(Fault) {
        Self.removeLeftovers(in: folder)
        // Whoever removes what is left over may meet a file before it is locked: then another name.
        for _ in 0..<Self.attempts {
            let number = String(UInt64.random(in: 0 ... .max), radix: 36)
            let path = "\(folder)/\(Self.prefix)\(getpid())-\(number)"
            let owner = open(path + Self.suffix, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard owner >= 0 else { throw Fault(code: errno) }
            var status = stat()
            if flock(owner, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK, fstat(owner, &status) == 0,
                status.st_nlink > 0
            {
                self.path = path
                self.owner = owner
                return
            }
            close(owner)
        }
        throw Fault(code: EAGAIN)
    }

    deinit {
        Self.remove(path)
        close(owner)
    }

    /// The one of the owner last: as long as it is there, the others are found.
    private static func remove(_ path: String) {
        for name in [""] + DatabaseFiles.companions + [suffix] { unlink(path + name) }
    }

    /// Removes what processes left that live no more. What cannot be removed stays.
    private static func removeLeftovers(in folder: String) {
        for owner in Leftover.names(in: folder, from: prefix) where owner.hasSuffix(suffix) {
            let name = owner.dropLast(suffix.utf8.count)
            guard Leftover.isOurs(name.dropFirst(prefix.utf8.count)) else { continue }
            guard let lock = Leftover.claim("\(folder)/\(name)\(suffix)", S_IFREG) else { continue }
            remove("\(folder)/\(name)")
            close(lock)
        }
    }

    private static let prefix = ".kadstore-"
    private static let suffix = "-owner"
    static let attempts = 8
}

/// What was left by a process that lives no more.
enum Leftover {
    /// The names in a folder that begin in this way; none where it cannot be read.
    static func names(in folder: String, from prefix: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(prefix) { names.append(name) }
        }
        return names
    }

    /// Whether a name is of the form of ours: the number of a process, a hyphen, and more.
    static func isOurs(_ name: some StringProtocol) -> Bool {
        let parts = name.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[1].isEmpty && (pid_t(parts[0]) ?? 0) > 0
    }

    /// Locks a file or folder of this user that nobody has locked.
    ///
    /// - Returns: what has the lock, until it is closed; nil where there is nothing to be had.
    static func claim(_ path: String, _ kind: mode_t) -> Int32? {
        // Network file systems lock for themselves alone only what is open for writing.
        let access = kind == S_IFDIR ? O_RDONLY : O_RDWR
        let descriptor = open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == kind, status.st_uid == geteuid(),
            flock(descriptor, LOCK_EX | LOCK_NB) == 0
        {
            return descriptor
        }
        close(descriptor)
        return nil
    }
}
