#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The terminal while a live view has it: the alternate screen, no cursor, keys as they are pressed. Whoever enters leaves,
/// in every case.
struct WatchScreen {
    /// Columns and rows.
    struct Size: Equatable {
        var columns: Int
        var rows: Int
    }

    private var shown: [String] = []
    private var size = Size(columns: 0, rows: 0)
    private var original: termios?
    private(set) var isEntered = false

    private static let escape = "\u{1b}["

    /// What fits on the terminal now.
    static func currentSize() -> Size {
        var window = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return Size(columns: Terminal.standardOutput.width ?? 80, rows: 24)
        }
        return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    }

    mutating func enter() throws(CommandError) {
        shown = []
        // Not the keys that send signals: those work as ever.
        var settings = termios()
        if isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 {
            if original == nil { original = settings }
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
        }
        isEntered = true
        try write("\(Self.escape)?1049h\(Self.escape)?25l\(Self.escape)2J")
    }

    mutating func leave() {
        guard isEntered else { return }
        isEntered = false
        // Should the terminal be gone, there is nobody to tell.
        try? write("\(Self.escape)?25h\(Self.escape)?1049l")
        if var original { tcsetattr(STDIN_FILENO, TCSADRAIN, &original) }
    }

    /// Shows a frame: only lines that changed, in one write, which terminals that can do so show at once.
    ///
    /// - Parameter lines: at most as many as there are rows, each as wide as the terminal or less.
    mutating func show(_ lines: [String], _ size: Size) throws(CommandError) {
        var frame = ""
        if size != self.size {
            frame += "\(Self.escape)2J"
            shown = []
            self.size = size
        }
        for row in 0..<size.rows {
            let line = row < lines.count ? lines[row] : ""
            guard line != (row < shown.count ? shown[row] : "") else { continue }
            // Cleared first: after the last column some terminals would take its character away.
            frame += "\(Self.escape)\(row + 1);1H\(Self.escape)2K\(line)"
        }
        shown = Array(lines.prefix(size.rows))
        guard !frame.isEmpty else { return }
        try write("\(Self.escape)?2026h\(frame)\(Self.escape)?2026l")
    }

    private func write(_ text: String) throws(CommandError) {
        var output = Output()
        try output.write(text)
        try output.flush()
    }
}

extension Terminal {
    /// A painted line in at most `width` columns, its colors ended.
    func clip(_ painted: String, to width: Int) -> String {
        var clipped = ""
        var used = 0
        var isEscape = false
        for character in painted {
            if isEscape {
                clipped.append(character)
                isEscape = !character.isLetter
            } else if character == "\u{1b}" {
                clipped.append(character)
                isEscape = true
            } else {
                used += DisplayWidth.of(character)
                guard used <= width else { return clipped + (hasColor ? "\u{1b}[0m" : "") }
                clipped.append(character)
            }
        }
        return clipped
    }
}
