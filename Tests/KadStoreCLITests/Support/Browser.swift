import Foundation
import Testing

/// A headless browser, where there is one: `$KADSTORE_BROWSER`, or Chromium or Chrome of the path.
enum Browser {
    static let path: String? = {
        let environment = ProcessInfo.processInfo.environment
        if let named = environment["KADSTORE_BROWSER"], !named.isEmpty { return named }
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        let names = ["chromium", "chromium-browser", "google-chrome"]
        let places = names.flatMap { name in folders.map { "\($0)/\(name)" } }
        return places.first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    /// Whether the tests that need one run: where they are required they fail without one.
    static let isWanted = path != nil || ProcessInfo.processInfo.environment["KADSTORE_REQUIRE_BROWSER"] == "1"

    enum Scheme: Int, CaseIterable {
        case dark = 0
        case light = 1
    }

    /// Opens a file, and returns the document as it then is.
    static func document(_ file: String, _ scheme: Scheme = .light) throws -> String {
        try run(["--dump-dom", "--virtual-time-budget=5000", url(file)], scheme)
    }

    /// Opens a file and takes its picture.
    static func picture(_ file: String, _ scheme: Scheme, width: Int, height: Int, to picture: String) throws -> Data {
        _ = try run(
            ["--screenshot=\(picture)", "--window-size=\(width),\(height)", "--hide-scrollbars", url(file)], scheme)
        return try Data(contentsOf: URL(fileURLWithPath: picture))
    }

    private static func url(_ file: String) -> String { URL(fileURLWithPath: file).absoluteString }

    /// The longest that it may take, starting a browser on a loaded machine included; then it is killed.
    private static let deadline = DispatchTimeInterval.seconds(120)

    private static func run(_ arguments: [String], _ scheme: Scheme) throws -> String {
        let path = try #require(self.path, "no browser: install chromium (Tools/setup --tests) or set KADSTORE_BROWSER")
        let scratch = Scratch()
        let output = scratch.path("output")
        try Data().write(to: URL(fileURLWithPath: output))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        // It refuses to run as root with its sandbox; what it opens here is ours.
        process.arguments =
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--user-data-dir=\(scratch.path("profile"))",
                "--blink-settings=preferredColorScheme=\(scheme.rawValue)",
            ] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["HOME": scratch.folder]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = FileHandle.nullDevice
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
        if ended.wait(timeout: .now() + deadline) == .timedOut {
            kill(process.processIdentifier, SIGKILL)
            ended.wait()
            Issue.record("the browser took too long")
        }
        return String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self)
    }
}
