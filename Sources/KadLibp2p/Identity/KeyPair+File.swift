import KadStore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Why a key was not read from a file or written to one.
public enum KeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    case notFound(path: String)
    /// Something is there, and a key is never replaced.
    case exists(path: String)
    /// A folder, pipe or device.
    case notAFile(path: String)
    /// More bytes than a key has.
    case tooLarge(path: String, limit: Int)
    /// The bytes are no key that can be used.
    case key(path: String, KeyError)
    /// The operating system refused.
    case system(operation: String, path: String, code: Int32)

    public var description: String {
        switch self {
        case .notFound(let path): "\(path): there is no such key file."
        case .exists(let path): "\(path): exists, and a key is never replaced: name another file or move this one away."
        case .notAFile(let path): "\(path): not a regular file, so no key is read from it."
        case .tooLarge(let path, let limit): "\(path): over \(limit) bytes, so it is no key file."
        case .key(let path, let error): "\(path): not a key that can be used: \(error)."
        case .system(let operation, let path, let code):
            "\(path): cannot \(operation): \(String(cString: strerror(code)))."
        }
    }
}

extension KeyPair {
    /// The key in a file that ``save(to:)`` or go-libp2p wrote. Its permissions are its owner's business.
    ///
    /// - Throws: ``KeyFileError``: `notFound`, `notAFile`, `tooLarge`, `key`, `system`.
    public init(contentsOf path: String) throws(KeyFileError) {
        // Without O_NONBLOCK, a pipe nobody writes to would be waited for.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .notFound(path: path) : .system(operation: "open", path: path, code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(operation: "open", path: path, code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        // One byte more than a key has tells a file that is too large.
        var bytes = [UInt8](repeating: 0, count: PublicKey.byteLimit + 1)
        var count = 0
        while count < bytes.count {
            let more = bytes[count...].withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if more < 0 && errno == EINTR { continue }
            guard more >= 0 else { throw .system(operation: "read", path: path, code: errno) }
            guard more > 0 else { break }
            count += more
        }
        guard count < bytes.count else { throw .tooLarge(path: path, limit: PublicKey.byteLimit) }
        do throws(KeyError) {
            try self.init(encoded: Array(bytes.prefix(count)))
        } catch {
            throw .key(path: path, error)
        }
    }

    /// The key in a file; where there is none, a new one, saved there. Of several processes that do so at once, all get the
    /// same.
    ///
    /// - Throws: ``KeyFileError``; `notFound` only where `path` is a link that leads nowhere.
    public init(contentsOfOrSavingTo path: String) throws(KeyFileError) {
        do throws(KeyFileError) {
            try self.init(contentsOf: path)
        } catch .notFound {
            let fresh: KeyPair
            do throws(KeyError) {
                fresh = try KeyPair()
            } catch {
                throw .key(path: path, error)
            }
            do throws(KeyFileError) {
                try fresh.save(to: path)
                self = fresh
            } catch .exists {
                // Made by another since.
                try self.init(contentsOf: path)
            }
        }
    }

    /// Writes the key to a new file that only its owner may read (0600). It appears whole or not at all.
    ///
    /// - Throws: ``KeyFileError``: `exists`, `system`; `key` where the library fails.
    public func save(to path: String) throws(KeyFileError) {
        let bytes: [UInt8]
        do throws(KeyError) {
            bytes = try encoded
        } catch {
            throw .key(path: path, error)
        }
        let folder = Self.folder(of: path)
        let temporary: ScratchName
        do throws(ScratchName.Fault) {
            temporary = try ScratchName(in: folder)
        } catch {
            throw .system(operation: "create the file", path: path, code: error.code)
        }
        let descriptor = open(temporary.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(operation: "create the file", path: path, code: errno) }
        let isWritten = Self.write(bytes, to: descriptor) && fsync(descriptor) == 0
        let fault = errno
        close(descriptor)
        guard isWritten else { throw .system(operation: "write", path: path, code: fault) }
        try withExtendedLifetime(temporary) { () throws(KeyFileError) in try Self.name(temporary.path, path) }
        // The name itself; not every file system can, and the file is whole in any case.
        let directory = open(folder, O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }

    /// A second name is refused where there is a file, whoever made it a moment ago; renaming would replace it. File
    /// systems without second names are asked before.
    private static func name(_ temporary: String, _ path: String) throws(KeyFileError) {
        if link(temporary, path) == 0 { return }
        switch errno {
        case EEXIST: throw .exists(path: path)
        case EPERM, ENOTSUP, EOPNOTSUPP, EMLINK, ENOSYS:
            var status = stat()
            guard lstat(path, &status) != 0 else { throw .exists(path: path) }
            guard rename(temporary, path) == 0 else { throw .system(operation: "rename", path: path, code: errno) }
        default: throw .system(operation: "name the file", path: path, code: errno)
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            #if canImport(Glibc)
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            #elseif canImport(Musl)
            let count = rest.withUnsafeBytes { Musl.write(descriptor, $0.baseAddress, $0.count) }
            #else
            let count = rest.withUnsafeBytes { Darwin.write(descriptor, $0.baseAddress, $0.count) }
            #endif
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
