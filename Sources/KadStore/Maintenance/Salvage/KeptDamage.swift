#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Copies of a damaged database and its log, byte for byte, under names that nothing else has.
///
/// Copies rather than new names for the files themselves: whoever waits for the database to become free has it open already,
/// and would go on with a file of another name beside the log of this one.
enum KeptDamage {
    /// - Returns: the names; what was there under them before stays.
    static func keep(
        _ file: DamagedFile, at milliseconds: Int64, _ cancellation: Cancellation
    ) throws -> [String] {
        let real = WriteLock.realPath(file.path)
        let base = BackupFile.dated(file.path, "corrupt", at: milliseconds)
        let companions = ["-wal", "-journal"].filter { fileSize(real + $0) > 0 }
        for number in 1...1_000 {
            let name = number == 1 ? base : "\(base)-\(number)"
            if let kept = try keep(file, as: name, companions, cancellation) { return kept }
        }
        throw StoreError.exists(path: base)
    }

    /// - Returns: nil where something has one of the names.
    private static func keep(
        _ file: DamagedFile, as name: String, _ companions: [String], _ cancellation: Cancellation
    ) throws -> [String]? {
        var kept: [String] = []
        do {
            // The database last: where it is, all of it is.
            for companion in companions {
                let source = WriteLock.realPath(file.path) + companion
                try copyBeside(source, to: name + companion, cancellation)
                kept.append(name + companion)
            }
            try write(to: name, size: file.size, cancellation) { file.bytes(at: $0, count: $1) }
            kept.append(name)
            try syncFolder(of: file.path)
            return kept.reversed()
        } catch {
            for name in kept { unlink(name) }
            if case StoreError.exists = error { return nil }
            throw error
        }
    }

    static func copyBeside(
        _ source: String, to target: String, _ cancellation: Cancellation
    ) throws(StoreError) {
        let descriptor = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .system(operation: "open the log", path: source, code: errno) }
        defer { close(descriptor) }
        try write(to: target, size: fileSize(source), cancellation) {
            LogFormat.bytes(descriptor, at: $0, count: $1)
        }
    }

    /// 1 MiB at a time. What the medium does not give is zeros in the copy.
    private static let step = 1 << 20

    private static func write(
        to target: String, size: Int64, _ cancellation: Cancellation,
        _ read: (Int64, Int) -> [UInt8]?
    ) throws(StoreError) {
        let file = try TemporaryStore(beside: target)
        let descriptor = open(file.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .system(operation: "keep the damaged file", path: target, code: errno) }
        defer { close(descriptor) }
        var at: Int64 = 0
        while at < size {
            try cancellation.check()
            let count = Int(min(Int64(step), size - at))
            let bytes = read(at, count) ?? pieces(at, count, read)
            try write(bytes, to: descriptor, target)
            at += Int64(count)
        }
        guard fsync(descriptor) == 0 else { throw failure(target) }
        guard link(file.path, target) == 0 else {
            var status = stat()
            if errno == EEXIST || lstat(target, &status) == 0 { throw .exists(path: target) }
            // A file system without second names.
            guard rename(file.path, target) == 0 else { throw failure(target) }
            return
        }
    }

    /// Page by page around what cannot be read.
    private static func pieces(_ start: Int64, _ count: Int, _ read: (Int64, Int) -> [UInt8]?) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let size = min(4_096, count - bytes.count)
            bytes += read(start + Int64(bytes.count), size) ?? [UInt8](repeating: 0, count: size)
        }
        return bytes
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, _ target: String) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                #if canImport(Glibc)
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                #elseif canImport(Musl)
                Musl.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                #else
                Darwin.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(target) }
            done += count
        }
    }

    private static func failure(_ target: String) -> StoreError {
        let code = errno
        return code == ENOSPC || code == EDQUOT
            ? .diskFull(path: target) : .system(operation: "keep the damaged file", path: target, code: code)
    }
}
