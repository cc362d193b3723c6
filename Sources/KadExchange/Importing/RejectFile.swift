import KadStore
import Kademlia
import Synchronization

/// Rejected records as JSON Lines, so that they can be repaired and imported again.
///
///     {"file":…,"line":… or "offset":…,"kind":…,"reason":…,"text":… or "hex":…,"isCut":true}
///
/// `text` is the record as it stands in the file, `hex` the same of one that is not UTF-8, either cut to
/// ``Rejection/byteLimit`` bytes (`isCut`); where the record is not at hand, `text` is what names it, or absent. Like an
/// export it is written beside its name, and appears with ``commit()``: after an interrupted import, too, with all that
/// was rejected until then. Without a commit nothing appears.
public final class RejectFile: Sendable {
    private struct State {
        var output: Handover<Output>
        /// What kept the file from being written; the import goes on.
        var failure: ExchangeError?
    }

    /// Holds a file, which is no copyable value.
    private final class Output {
        var file: OutputFile

        init(path: String) throws(ExchangeError) { file = try OutputFile(path: path) }
    }

    private let state: Mutex<State>

    /// - Parameter path: the file, which appears with ``commit()``; `-` is standard output.
    /// - Throws: ``ExchangeError`` when it cannot be written.
    public init(path: String) throws(ExchangeError) {
        let output = Handover(try Output(path: path))
        state = Mutex(State(output: output))
    }

    /// Adds a record of the file `name`: for ``ImportOptions/onRejection``. A failure shows at ``commit()``.
    public func append(_ rejection: Rejection, of name: String) {
        append { Self.append(rejection, of: name, to: &$0) }
    }

    /// Adds a row of the damaged store `name`: for ``SalvageOptions/onLost``. A failure shows at ``commit()``.
    ///
    ///     {"file":…,"page":…,"cell":…,"table":…,"reason":…,"hex":…}
    public func append(_ row: LostRow, of name: String) {
        append { output in
            var line = NativeLine()
            line.object { line in
                line.member("file", name)
                line.member("page", row.page)
                line.member("cell", row.cell)
                line.member("table", row.table)
                line.member("reason", row.reason.rawValue)
                line.member("hex", Hex.encode(row.bytes))
            }
            output.append(contentsOf: line.bytes)
            output.append(UInt8(ascii: "\n"))
        }
    }

    private func append(_ line: (inout [UInt8]) -> Void) {
        state.withLock { state in
            guard state.failure == nil else { return }
            let sink = state.output.value.file.sink
            do throws(ExchangeError) {
                line(&sink.buffer)
                try sink.flushIfFull()
            } catch {
                state.failure = error
            }
        }
    }

    /// Makes the file appear, whole.
    ///
    /// - Throws: ``ExchangeError`` when it could not be written.
    public func commit() throws(ExchangeError) {
        let failure: ExchangeError? = state.withLock { state in
            if let failure = state.failure { return failure }
            do throws(ExchangeError) {
                try state.output.value.file.commit()
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    private static func append(_ rejection: Rejection, of name: String, to output: inout [UInt8]) {
        var line = NativeLine()
        line.object { line in
            line.member("file", name)
            switch rejection.place {
            case .line(let number): line.member("line", number)
            case .offset(let offset): line.member("offset", offset)
            case .row(let number): line.member("row", number)
            }
            line.member("kind", rejection.reason.kind.rawValue)
            line.member("reason", rejection.reason.description)
            guard let bytes = rejection.bytes else { return line.member("text", rejection.excerpt) }
            if let text = text(bytes) {
                line.member("text", text)
            } else {
                line.member("hex", Hex.encode(bytes))
            }
            if bytes.count >= Rejection.byteLimit { line.flag("isCut") }
        }
        output.append(contentsOf: line.bytes)
        output.append(UInt8(ascii: "\n"))
    }

    /// Without the end of the line, and without a character that the limit cut in two; nil for what is not UTF-8.
    private static func text(_ bytes: [UInt8]) -> String? {
        var line = bytes[...]
        while let last = line.last, last == 0x0a || last == 0x0d { line.removeLast() }
        let mayBeCut = bytes.count >= Rejection.byteLimit
        for dropped in 0..<(mayBeCut ? 4 : 1) {
            if let text = String(validating: line.dropLast(dropped), as: UTF8.self) { return text }
        }
        return nil
    }
}
