import KadExchange

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A small input, whole.
enum InputBytes {
    /// - Parameter name: of a file; `-` is standard input.
    /// - Throws: ``ExchangeError/system(operation:name:code:)``, and ``CommandError/notUnderstood(_:)`` beyond the limit.
    static func read(_ name: String, limit: Int) throws -> [UInt8] {
        let descriptor = name == "-" ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExchangeError.system(operation: "open", name: name, code: errno) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw ExchangeError.system(operation: "read", name: name, code: errno)
            }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= limit else {
                throw CommandError.notUnderstood("\(name): over \(limit) bytes, which is more than peers take.")
            }
            bytes += buffer.prefix(count)
        }
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
