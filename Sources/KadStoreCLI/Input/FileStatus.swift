import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

enum FileStatus {
    /// Whether there is anything under this name.
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether users may read or write a file who are neither its owner nor of its group.
    static func isOpenToOthers(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IRWXO != 0
    }

    /// Which file it is, whatever it is called.
    struct Identity: Hashable, Sendable {
        let device: UInt64
        let number: UInt64
    }

    /// The file under a name; nil when there is none.
    static func identity(of path: String) -> Identity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Identity(
            device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(truncatingIfNeeded: status.st_ino))
    }

    /// Whether a file is a database, or lies beside it as a part of it.
    static func isPart(_ file: String, of database: String) -> Bool {
        Store.files(of: database).contains { file == $0 || isSame(file, $0) }
    }

    /// Whether both names stand for one file.
    static func isSame(_ left: String, _ right: String) -> Bool {
        guard let first = identity(of: left), let second = identity(of: right) else { return false }
        return first == second
    }
}

extension FileStatus {
    /// The names in a folder, in no order, at most `limit`; none where it cannot be read.
    static func names(in folder: String, limit: Int = .max) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Whether a regular file begins as SQLite databases do. Not to be asked of a file that this process has open as a
    /// database: closing it here would drop SQLite's locks.
    static func isSQLite(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let mark = Array("SQLite format 3\0".utf8)
        var bytes = [UInt8](repeating: 0, count: mark.count)
        return read(descriptor, &bytes, bytes.count) == bytes.count && bytes == mark
    }
}
