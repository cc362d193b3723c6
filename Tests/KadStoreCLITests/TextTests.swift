import Foundation
import KadExchange
import KadStore
import Kademlia
import Testing

@testable import KadStoreCLI

@Suite("Text for people")
struct TextTests {
    private let unicode = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: nil)
    private let ascii = Terminal(isInteractive: false, hasColor: false, isUnicode: false, width: nil)

    @Test("counts are grouped by three")
    func counts() {
        #expect(ascii.count(0) == "0")
        #expect(ascii.count(999) == "999")
        #expect(ascii.count(1_000) == "1,000")
        #expect(ascii.count(-1_234_567) == "-1,234,567")
        #expect(unicode.count(Int64.min) == "-9\u{2009}223\u{2009}372\u{2009}036\u{2009}854\u{2009}775\u{2009}808")
        #expect(ascii.count(1, "peer") == "1 peer")
        #expect(ascii.count(2, "address", "addresses") == "2 addresses")
    }

    @Test("amounts have the unit that says most")
    func amounts() {
        #expect(ascii.bytes(1_023) == "1023 B")
        #expect(ascii.bytes(1_536) == "1.5 KiB")
        #expect(ascii.bytes(200 << 30) == "200 GiB")
        #expect(ascii.microseconds(999) == "999 us")
        #expect(ascii.microseconds(35_240) == "35.2 ms")
        #expect(ascii.microseconds(2_500_000) == "2.50 s")
        #expect(ascii.percent(1, of: 3) == "33 %")
        #expect(ascii.percent(1, of: 200) == "0.5 %")
        #expect(ascii.percent(0, of: 0) == "-")
        #expect(FixedPoint.text(-0.04, digits: 1) == "0.0")
        #expect(FixedPoint.text(1.96, digits: 1) == "2.0")
        #expect(FixedPoint.text(.infinity, digits: 1) == "inf")
    }

    @Test("spans are told in one unit, relative to now")
    func spans() {
        let now = Instant(milliseconds: 1_700_000_000_000)
        func text(_ milliseconds: Int64) -> String { Span.text(now.advanced(byMilliseconds: milliseconds), from: now) }
        #expect(text(0) == "now")
        #expect(text(-5_000) == "5 s ago")
        #expect(text(-3 * 3_600_000) == "3 h ago")
        #expect(text(5 * 60_000) == "in 5 min")
        #expect(text(-3 * 86_400_000) == "3 d ago")
        #expect(text(-800 * 86_400_000) == "2 y ago")
        #expect(Span.text(Instant(milliseconds: .min), from: Instant(milliseconds: .max)).hasSuffix("ago"))
    }

    @Test(
        "dates are ISO 8601 in UTC, and read back",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59Z"), (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1_000, "1969-12-31T23:59:59Z"), (-62_135_596_800_000, "0001-01-01T00:00:00Z"),
        ] as [(Int64, String)])
    func dates(milliseconds: Int64, text: String) {
        #expect(UTC.text(Instant(milliseconds: milliseconds)) == text)
        #expect(UTC.instant(text) == Instant(milliseconds: milliseconds))
    }

    @Test("any instant has a date, and every day of 500 years reads back")
    func allDates() {
        #expect(!UTC.text(Instant(milliseconds: .min)).isEmpty)
        #expect(!UTC.text(Instant(milliseconds: .max)).isEmpty)
        for day in -40_000...140_000 as ClosedRange<Int64> {
            let instant = Instant(milliseconds: day * 86_400_000)
            let text = String(UTC.text(instant).prefix(10))
            guard UTC.instant(text) == instant else {
                Issue.record("\(text) is day \(day)")
                return
            }
        }
    }

    @Test(
        "what is no date is none",
        arguments: [
            "", "2025", "2025-13-01", "2025-02-29", "2025-02-30", "2025-1-1", "2025-01-01T24:00Z", "2025-01-01T10:00",
            "2025-01-01T10:60Z", "2025-01-01T10:00:61Z", "2025-01-01T10:00:00.5Z", "20250101", "+025-01-01",
            "2025-01-01Z",
        ])
    func noDates(text: String) { #expect(UTC.instant(text) == nil) }

    @Test("moments are spans or dates")
    func moments() {
        #expect(Moment(argument: "90s") == .ago(milliseconds: 90_000))
        #expect(Moment(argument: "15min") == .ago(milliseconds: 900_000))
        #expect(Moment(argument: "15m") == .ago(milliseconds: 900_000))
        #expect(Moment(argument: "2w") == .ago(milliseconds: 1_209_600_000))
        #expect(Moment(argument: "999999999w") != nil)
        #expect(Moment(argument: "2025-01-31") == .at(Instant(milliseconds: 1_738_281_600_000)))
        for text in ["", "h", "-1h", "1.5h", "1 h", "9999999999s", "1y", "tomorrow"] {
            #expect(Moment(argument: text) == nil, "\(text)")
        }
    }

    @Test("control, format and invisible characters are escaped; writing of any language is not")
    func safe() {
        #expect(unicode.safe("kubo/0.30 (Ubuntu)") == "kubo/0.30 (Ubuntu)")
        #expect(unicode.safe("Zürich 東京 Ω") == "Zürich 東京 Ω")
        #expect(unicode.safe("a\u{1b}[2Jb") == "a\\u{1b}[2Jb")
        #expect(unicode.safe("\u{9b}31m\r\n\t\u{7f}") == "\\u{9b}31m\\u{d}\\u{a}\\u{9}\\u{7f}")
        for value in [
            0x200b...0x200f, 0x202a...0x202e, 0x2060...0x2064, 0x2066...0x2069, 0xfeff...0xfeff, 0xe0001...0xe007f,
        ] {
            for scalar in value.compactMap({ Unicode.Scalar(UInt32($0)) }) {
                #expect(unicode.safe(String(scalar)).hasPrefix("\\u{"), "\(scalar.value)")
            }
        }
        #expect(ascii.safe("Zürich") == "Z\\u{fc}rich")
    }

    @Test("JSON escapes what a terminal would obey, and whatever is no text")
    func json() {
        #expect(JSON.string("a\"b\\c\u{1b}\n\u{202e}😀").text == #""a\"b\\c\u001b\n\u202e😀""#)
        #expect(JSON.string("\u{e0001}").text == #""\udb40\udc01""#)
        #expect(JSON.double(.nan).text == "null")
        #expect(JSON.object(["b": .int(1), "a": .array([.null, .bool(true)])]).text == #"{"b":1,"a":[null,true]}"#)
    }

    @Test("progress tells count, rate, share and the time that is left")
    func progress() {
        let text = Progress.text(
            label: "Importing", unit: "records", done: 50_000, fraction: 0.25, elapsedMilliseconds: 10_000,
            terminal: ascii)
        #expect(text == "Importing: 50,000 records, 5,000/s, 25 %, 30 s left")
    }

    @Test("a terminal is what its environment says")
    func terminals() {
        func terminal(_ variables: [String: String], isTerminal: Bool = true) -> Terminal {
            Terminal(isTerminal: isTerminal, windowWidth: 100) { variables[$0] }
        }
        #expect(terminal([:]).hasColor)
        #expect(!terminal(["NO_COLOR": "1"]).hasColor)
        #expect(!terminal(["TERM": "dumb"]).isInteractive)
        #expect(!terminal([:], isTerminal: false).hasColor)
        #expect(terminal(["CLICOLOR_FORCE": "0"], isTerminal: false).hasColor == false)
        #expect(terminal(["COLUMNS": "72"]).width == 72)
        #expect(terminal(["COLUMNS": "no"]).width == 100)
        #expect(terminal(["COLUMNS": "72"], isTerminal: false).width == nil)
        #expect(terminal(["LANG": "de_DE.UTF-8"]).isUnicode)
        #expect(!terminal(["LANG": "de_DE.UTF-8", "LC_ALL": "C"]).isUnicode)
        #expect(!terminal([:]).isUnicode)
    }
}

@Suite("The exit status")
struct ExitStatusTests {
    // Swift Testing has a type of this name too.
    private typealias ExitStatus = KadStoreCLI.ExitStatus

    @Test("says what kind of trouble it is, wherever in the layers it arose")
    func mapping() {
        let expected: [(StoreError, ExitStatus)] = [
            (.notFound(path: "a"), .noInput), (.notAStore(path: "a", reason: ""), .badData),
            (.corrupt(path: "a", detail: ""), .badData),
            (.locked(path: "a", holders: [], waitedMilliseconds: 1), .tryAgain),
            (.readOnly(path: "a"), .noPermission), (.newerSchema(path: "a", found: 2, supported: 1), .configuration),
            (.networkMismatch(path: "a", expected: "", found: ""), .configuration),
            (.diskFull(path: "a"), .inputOutput),
            (.notEmpty(path: "a"), .cannotCreate), (.interrupted(done: 1), .partlyDone), (.closed, .internalError),
            (.invalidArgument(""), .usage), (.system(operation: "", path: "a", code: EACCES), .noPermission),
            (.system(operation: "", path: "a", code: ENOENT), .cannotCreate),
            (.system(operation: "", path: "a", code: EIO), .inputOutput),
        ]
        for (error, status) in expected {
            #expect(ExitStatus(error) == status, "\(error)")
            #expect(ExitStatus(ExchangeError.store(error)) == status, "\(error)")
        }
        #expect(ExitStatus(ExchangeError.system(operation: "", name: "a", code: ENOENT)) == .noInput)
        #expect(ExitStatus(ExchangeError.cancelled) == .partlyDone)
        #expect(ExitStatus(ExchangeError.isDatabase(name: "a")) == .cannotCreate)
        #expect(ExitStatus(CancellationError()) == .internalError)
    }

    @Test("what is binary, or not escaped, does not go to a terminal")
    func terminalFormats() throws {
        let screen = Terminal(isInteractive: true, hasColor: true, isUnicode: true, width: 80)
        let pipe = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: nil)
        for format in ExchangeFormat.exportable {
            let isHarmless = [ExchangeFormat.native, .multiaddrs, .devp2p].contains(format)
            let refusal = (try? ExportedFile.refuse(format, to: "-", on: screen)) == nil
            #expect(refusal != isHarmless, "\(format)")
            try ExportedFile.refuse(format, to: "file", on: screen)
            try ExportedFile.refuse(format, to: "-", on: pipe)
        }
    }
}

@Suite("Tables of text")
struct TextTableTests {
    private func table(width: Int?) -> [String] {
        let terminal = Terminal(isInteractive: false, hasColor: false, isUnicode: true, width: width)
        var table = TextTable(
            [
                .init(title: "N", alignment: .right), .init(title: "NAME", minimum: 6, cut: .middle),
                .init(title: "NOTE", minimum: 4, isOptional: true),
            ], terminal: terminal)
        let rows: [[TextTable.Cell]] = [
            [.init("1"), .init("abcdefghijklmnop"), .init("a note")], [.init("22"), .init("東京"), .init("")],
        ]
        table.layOut(rows)
        return [table.header] + rows.map(table.line)
    }

    @Test("columns are aligned, wide characters count twice, and no line ends in blanks")
    func aligned() {
        #expect(table(width: nil) == [" N  NAME              NOTE", " 1  abcdefghijklmnop  a note", "22  東京"])
    }

    @Test("columns shrink to their minimum, then optional ones go")
    func shrinks() {
        for width in 12...40 {
            for line in table(width: width) { #expect(DisplayWidth.of(line) <= width, "\(width): \(line)") }
        }
        #expect(table(width: 20)[1] == " 1  abcdef…nop  a n…" || table(width: 20)[1].contains("…"))
        #expect(!table(width: 12)[0].contains("NOTE"))
    }
}

@Suite("Abbreviated ids")
struct AbbreviationTests {
    @Test("match by beginning and end")
    func matches() {
        #expect(Abbreviation("12D3").matches("12D3KooWabc"))
        #expect(Abbreviation("12D3…abc").matches("12D3KooWabc"))
        #expect(Abbreviation("12D3...abc").matches("12D3KooWabc"))
        #expect(!Abbreviation("12D3…abd").matches("12D3KooWabc"))
        #expect(!Abbreviation("12D3KooW…KooWabc").matches("12D3KooWabc"))
    }

    @Test("a slip of the hand is like the id, anything else is not")
    func likeness() {
        #expect(Abbreviation("abcdefgh").likeness(to: "abcxefgh") == 7)
        #expect(Abbreviation("abcdfgh").likeness(to: "abcdefgh") == 7)
        #expect(Abbreviation("abcdeefgh").likeness(to: "abcdefgh") == 8)
        #expect(Abbreviation("zzzzefgh").likeness(to: "abcdefgh") == nil)
        #expect(Abbreviation("").likeness(to: "abcdefgh") == nil)
    }
}
