import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where an export goes. A file appears under its name only when it is whole and on the medium: it is written beside it
/// and renamed. A pipe or device is written to directly.
///
/// A new file can be read by its owner alone, like the store it comes from: it says whom a node talks to. A file that is
/// replaced keeps its permissions. A database is not replaced: what was meant is hardly ever that.
package struct OutputFile: ~Copyable {
    package let sink: ByteSink
    private let descriptor: Int32
    /// What is written beside, and renamed to `target`; nil for what is written to directly.
    private let temporary: (name: ScratchName, target: String)?
    private let closes: Bool

    /// - Parameter path: a file, or `-` for standard output.
    package init(path: String) throws(ExchangeError) {
        guard path != "-" else {
            descriptor = 1
            closes = false
            sink = ByteSink(descriptor: 1, name: "standard output")
            temporary = nil
            return
        }
        closes = true
        var status = stat()
        let exists = stat(path, &status) == 0
        if exists, status.st_mode & S_IFMT != S_IFREG {
            descriptor = try Self.open(path, O_WRONLY | O_CLOEXEC, mode: 0, name: path)
            sink = ByteSink(descriptor: descriptor, name: path)
            temporary = nil
            return
        }
        guard !Self.isDatabase(path) else { throw .isDatabase(name: path) }
        // Through a symbolic link the file behind it is replaced or made, not the link.
        let target = exists ? Self.resolved(path) : Self.destination(path)
        let name: ScratchName
        do throws(ScratchName.Fault) {
            name = try ScratchName(in: Self.folder(of: target))
        } catch {
            throw ExchangeError(operation: "open for writing", name: path, code: error.code)
        }
        descriptor = try Self.open(name.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode: 0o600, name: path)
        sink = ByteSink(descriptor: descriptor, name: path)
        temporary = (name, target)
        if exists { fchmod(descriptor, status.st_mode & 0o777) }
    }

    deinit {
        if closes { close(descriptor) }
    }

    /// Makes the file appear: whole, and safe from a loss of power.
    package mutating func commit() throws(ExchangeError) {
        try sink.flush()
        guard let temporary else { return }
        let path = temporary.target
        guard fsync(descriptor) == 0 else { throw ExchangeError(operation: "sync", name: path, code: errno) }
        guard rename(temporary.name.path, path) == 0 else {
            throw ExchangeError(operation: "rename", name: path, code: errno)
        }
        // The new name itself; not every file system can, and the file is whole in any case.
        let folder = Self.folder(of: path)
        if let directory = try? Self.open(folder, O_RDONLY | O_CLOEXEC, mode: 0, name: folder) {
            fsync(directory)
            close(directory)
        }
    }

    private static func open(
        _ path: String, _ flags: Int32, mode: mode_t, name: String
    ) throws(ExchangeError) -> Int32 {
        var descriptor: Int32
        repeat {
            #if canImport(Glibc)
            descriptor = Glibc.open(path, flags, mode)
            #elseif canImport(Musl)
            descriptor = Musl.open(path, flags, mode)
            #else
            descriptor = Darwin.open(path, flags, mode)
            #endif
        } while descriptor < 0 && errno == EINTR
        guard descriptor >= 0 else { throw ExchangeError(operation: "open for writing", name: name, code: errno) }
        return descriptor
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Whether the name is that of an SQLite database, or of a file that belongs to one. Not to be asked of a database that
    /// this process has open: closing it here would drop SQLite's locks.
    private static func isDatabase(_ path: String) -> Bool {
        for part in ["-wal", "-shm", "-journal", "-lock"] where path.hasSuffix(part) {
            if access(String(path.dropLast(part.count)), F_OK) == 0 { return true }
        }
        guard let file = try? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, mode: 0, name: path) else { return false }
        defer { close(file) }
        let mark = Array("SQLite format 3\0".utf8)
        var bytes = [UInt8](repeating: 0, count: mark.count)
        return read(file, &bytes, bytes.count) == mark.count && bytes == mark
    }

    /// Where a symbolic link leads that leads to nothing yet.
    private static func destination(_ path: String) -> String {
        var path = path
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        // More links than a system follows are a circle: opening it says so.
        for _ in 0..<40 {
            let count = readlink(path, &bytes, bytes.count)
            guard count > 0 else { return path }
            let link = String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
            let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
            path = link.hasPrefix("/") ? link : path[..<slash] + link
        }
        return path
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
