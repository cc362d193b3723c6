#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What is at the other end of an output stream, and how text for it should look.
struct Terminal: Sendable {
    /// Whether a person looks at it right now: progress is for them alone.
    var isInteractive: Bool
    var hasColor: Bool
    /// Whether characters beyond ASCII may be shown.
    var isUnicode: Bool
    /// Columns; nil for a pipe or file, where nothing is ever cut.
    var width: Int?

    static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
    static let standardError = Terminal(descriptor: STDERR_FILENO)

    init(isInteractive: Bool, hasColor: Bool, isUnicode: Bool, width: Int?) {
        self.isInteractive = isInteractive
        self.hasColor = hasColor
        self.isUnicode = isUnicode
        self.width = width
    }

    init(descriptor: Int32) {
        let isTerminal = isatty(descriptor) == 1
        self.init(
            isTerminal: isTerminal, windowWidth: isTerminal ? Self.windowWidth(descriptor) : nil,
            environment: Environment.value(of:))
    }

    /// - Parameter environment: gives a variable's value; a variable without content counts as absent.
    init(isTerminal: Bool, windowWidth: Int?, environment: (String) -> String?) {
        let isDumb = environment("TERM") == "dumb"
        isInteractive = isTerminal && !isDumb
        // NO_COLOR (no-color.org) is stronger than CLICOLOR_FORCE (bixense.com/clicolors).
        if environment("NO_COLOR") != nil {
            hasColor = false
        } else if let force = environment("CLICOLOR_FORCE"), force != "0" {
            hasColor = true
        } else {
            hasColor = isInteractive
        }
        // POSIX: the first of these that is set decides.
        let locale = environment("LC_ALL") ?? environment("LC_CTYPE") ?? environment("LANG") ?? ""
        let charset = locale.uppercased()
        isUnicode = charset.contains("UTF-8") || charset.contains("UTF8")
        let columns = environment("COLUMNS").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        width = isTerminal ? columns ?? windowWidth ?? 80 : nil
    }

    private static func windowWidth(_ descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}

/// Emphasis, used sparingly: state is also said in words, so nothing is lost without color.
enum Ink: String, Sendable {
    case plain = ""
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"
}

extension Terminal {
    func paint(_ text: String, _ ink: Ink) -> String {
        guard hasColor, ink != .plain, !text.isEmpty else { return text }
        return "\u{1b}[\(ink.rawValue)m\(text)\u{1b}[0m"
    }

    /// A symbol, or what stands for it in ASCII.
    func symbol(_ unicode: String, _ ascii: String) -> String { isUnicode ? unicode : ascii }
}

enum Environment {
    /// A variable's value; nil when it is absent or empty.
    static func value(of name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }
}
