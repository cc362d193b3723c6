#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A folder that goes with this value, and all that is in it. One that a process left which was killed is removed by
/// whoever makes one of the same name there next.
///
/// The process keeps the folder locked: see ``ScratchName``.
package final class ScratchFolder: Sendable {
    package let path: String
    private let lock: Int32

    /// - Parameters:
    ///   - parent: where it is made, mostly a folder that everybody may write.
    ///   - name: what its name begins with.
    package init(in parent: String, named name: String) throws(StoreError) {
        Self.removeLeftovers(in: parent, named: name + "-")
        for _ in 0..<ScratchName.attempts {
            let path = "\(parent)/\(name)-\(getpid())-" + String(UInt64.random(in: 0 ... .max), radix: 36)
            guard mkdir(path, 0o700) == 0 else {
                throw .system(operation: "make a folder", path: path, code: errno)
            }
            if let lock = Leftover.claim(path, S_IFDIR) {
                self.path = path
                self.lock = lock
                return
            }
        }
        throw .system(operation: "lock a folder", path: parent, code: EAGAIN)
    }

    deinit {
        Self.remove(path)
        close(lock)
    }

    private static func removeLeftovers(in parent: String, named prefix: String) {
        for name in Leftover.names(in: parent, from: prefix)
        where Leftover.isOurs(name.dropFirst(prefix.utf8.count)) {
            guard let lock = Leftover.claim("\(parent)/\(name)", S_IFDIR) else { continue }
            remove("\(parent)/\(name)")
            close(lock)
        }
    }

    /// What a symbolic link leads to stays.
    private static func remove(_ path: String) {
        for name in Leftover.names(in: path, from: "") where name != "." && name != ".." {
            var status = stat()
            let inner = "\(path)/\(name)"
            if lstat(inner, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { remove(inner) } else { unlink(inner) }
        }
        rmdir(path)
    }
}
