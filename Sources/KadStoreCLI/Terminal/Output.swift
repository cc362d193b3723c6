#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Standard output, buffered: data, and nothing else.
///
/// A reader that has gone (`kadstore peers | head`) ends the command by SIGPIPE, silently, as with any other tool.
/// Nothing is left behind: reading commands hold no lock and no transaction while they print.
struct Output {
    let terminal: Terminal
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 16

    init(_ terminal: Terminal = .standardOutput) { self.terminal = terminal }

    mutating func write(_ text: String) throws(CommandError) { try write(text.utf8) }

    mutating func write(_ bytes: some Sequence<UInt8>) throws(CommandError) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try flush() }
    }

    mutating func line(_ text: String = "") throws(CommandError) { try write(text + "\n") }

    mutating func flush() throws(CommandError) {
        defer { buffer.removeAll(keepingCapacity: true) }
        try Self.write(buffer, to: STDOUT_FILENO)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(CommandError) {
        var offset = 0
        while offset < bytes.count {
            let written = bytes[offset...].withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                throw .output(code: errno)
            }
            offset += written
        }
    }
}

/// Messages for people, on standard error.
enum Messages {
    static func line(_ text: String) { raw(text + "\n") }

    static func raw(_ text: String) {
        // Nobody can be told when this fails.
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { systemWrite(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// What went wrong. Errors quote files and arguments, so they are made harmless here, line by line; a line after the first
    /// is set in, so that no name with a line break looks like another message.
    static func error(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let safe = lines.enumerated().map { number, line in
            (number == 0 || line.hasPrefix("  ") ? "" : "  ") + Terminal.standardError.safe(String(line))
        }
        line("kadstore: " + safe.joined(separator: "\n"))
    }

    /// How something was understood, or what it took: quiet words.
    static func note(_ text: String) { line(Terminal.standardError.paint(text, .dim)) }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
