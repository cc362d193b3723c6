#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Makes temporary files where SQLite would put its own, readable by their owner alone.
package enum TemporaryFile {
    /// In SQLite's order.
    private static var folders: [String] {
        let chosen = ["SQLITE_TMPDIR", "TMPDIR"].compactMap { (name: String) -> String? in
            getenv(name).map { String(cString: $0) }
        }
        return chosen + ["/var/tmp", "/tmp", "."]
    }

    /// - Parameter name: what its name begins with.
    package static func create(named name: String) throws(StoreError) -> (descriptor: Int32, path: String) {
        var code: Int32 = 0
        for folder in folders {
            var template = Array("\(folder)/\(name)-XXXXXX".utf8CString)
            let descriptor = mkstemp(&template)
            code = errno
            guard descriptor >= 0 else { continue }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            return (descriptor, String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        throw .system(operation: "make a temporary file", path: folders[0], code: code)
    }
}
