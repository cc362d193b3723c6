import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// The command on a terminal of a given size, whose keys the test presses and whose screen it reads.
final class PseudoTerminal: Sendable {
    private let controller: Int32
    private let process: Process
    private let received = Mutex<[UInt8]>([])

    init(
        _ arguments: [String], columns: Int, rows: Int = 24, environment: [String: String] = [:], folder: String? = nil,
        hasKeys: Bool = true, program: String = Command.path
    ) throws {
        var controller: Int32 = -1
        var terminal: Int32 = -1
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        guard openpty(&controller, &terminal, nil, nil, &size) == 0 else { throw POSIXError(.ENODEV) }
        self.controller = controller
        let end = FileHandle(fileDescriptor: terminal, closeOnDealloc: true)
        process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ["LANG": "C.UTF-8", "TERM": "xterm"].merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.standardInput = hasKeys ? end : FileHandle.nullDevice
        process.standardOutput = end
        process.standardError = end
        try process.run()
        try end.close()
        // The terminal's buffer is small: it is read while the command runs, and ends when nobody has it open.
        Thread.detachNewThread { [self, controller] in
            var buffer = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = read(controller, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                received.withLock { $0 += buffer[..<count] }
            }
            hasEnded.withLock { $0 = true }
        }
    }

    private let hasEnded = Mutex(false)

    deinit { close(controller) }

    /// Runs the command to its end, without keys.
    static func run(
        _ arguments: [String], columns: Int, environment: [String: String] = [:]
    ) throws -> String {
        let terminal = try PseudoTerminal(arguments, columns: columns, environment: environment, hasKeys: false)
        terminal.wait()
        return terminal.output
    }

    /// All that was written to it so far.
    var output: String { String(decoding: received.withLock { $0 }, as: UTF8.self) }

    /// What it shows now.
    func screen(columns: Int, rows: Int = 24) -> TerminalModel {
        var model = TerminalModel(columns: columns, rows: rows)
        model.take(output)
        return model
    }

    var identifier: Int32 { process.processIdentifier }

    func press(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = bytes.withUnsafeBytes { write(controller, $0.baseAddress, $0.count) }
    }

    func send(_ signal: Int32) { kill(identifier, signal) }

    /// Changes the size, and tells the command so.
    func resize(columns: Int, rows: Int) {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(controller, UInt(TIOCSWINSZ), &size)
        send(SIGWINCH)
    }

    /// Whether the terminal hands over lines rather than keys, and echoes them, as it does for a shell.
    var isCooked: Bool {
        var settings = termios()
        guard tcgetattr(controller, &settings) == 0 else { return false }
        return settings.c_lflag & tcflag_t(ICANON) != 0 && settings.c_lflag & tcflag_t(ECHO) != 0
    }

    /// Waits until the screen is as wanted; false when it is not so for a long time.
    func waits(columns: Int, rows: Int = 24, until isWanted: (TerminalModel) throws -> Bool) async rethrows -> Bool {
        for _ in 0..<1_500 {
            if try isWanted(screen(columns: columns, rows: rows)) { return true }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// Waits for the end, and for everything that was written before it.
    ///
    /// A command that does not end is killed after a minute: then it was signalled.
    @discardableResult
    func wait() -> (status: Int32, isSignalled: Bool) {
        for _ in 0..<6_000 where process.isRunning { usleep(10_000) }
        if process.isRunning { kill(identifier, SIGKILL) }
        process.waitUntilExit()
        while !hasEnded.withLock({ $0 }) { usleep(1_000) }
        return (process.terminationStatus, process.terminationReason == .uncaughtSignal)
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
