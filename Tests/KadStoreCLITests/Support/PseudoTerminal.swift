import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// Runs the command on a terminal of a given width.
enum PseudoTerminal {
    static func run(
        _ arguments: [String], columns: Int, environment: [String: String] = [:]
    ) throws -> String {
        var controller: Int32 = -1
        var terminal: Int32 = -1
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&controller, &terminal, nil, nil, &size) == 0 else { throw POSIXError(.ENODEV) }
        let end = FileHandle(fileDescriptor: terminal, closeOnDealloc: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = arguments
        process.environment = ["LANG": "C.UTF-8", "TERM": "xterm"].merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = end
        process.standardError = end
        try process.run()
        // The terminal's buffer is small: it is read while the command runs, and ends when nobody has it open.
        try end.close()
        var shown: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = read(controller, &buffer, buffer.count)
            if count <= 0 { break }
            shown += buffer[..<count]
        }
        close(controller)
        process.waitUntilExit()
        return String(decoding: shown, as: UTF8.self)
    }

    /// Text without color.
    static func plain(_ text: some StringProtocol) -> String {
        var plain = ""
        var isInside = false
        for scalar in text.unicodeScalars {
            if scalar == "\u{1b}" { isInside = true } else if !isInside { plain.unicodeScalars.append(scalar) }
            if isInside, ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar) { isInside = false }
        }
        return plain
    }
}
