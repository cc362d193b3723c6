import KadStore
import Synchronization

/// A file or pipe that was opened and recognised, ready to be imported once.
public final class ImportSource: Sendable {
    /// The path, or `standard input`.
    public let name: String
    public let format: ExchangeFormat
    /// The network that the file states, or the only one its format carries; nil when it may be any.
    public let network: Network?
    /// The scope that the file states.
    public let scope: Scope?
    /// The size in bytes; nil for pipes.
    public let size: Int64?

    private let input: Mutex<Handover<ByteInput>?>

    /// Opens a file, or standard input for `-`, and looks at its first 64 KiB. Blocks until they are there.
    ///
    /// - Parameter format: nil to recognise it from the content.
    /// - Throws: ``ExchangeError``: cannot be opened or read; unrecognised, ambiguous, known but not read; cancelled, when
    ///   the calling task is.
    public static func open(_ path: String, format: ExchangeFormat? = nil) throws(ExchangeError) -> ImportSource {
        try ImportSource(ByteInput.open(path: path), format: format)
    }

    /// Takes over an open descriptor, which is closed when it has been read. It need not be seekable.
    ///
    /// - Parameter name: what messages call it.
    public static func open(
        descriptor: Int32, name: String, format: ExchangeFormat? = nil
    ) throws(ExchangeError) -> ImportSource {
        try ImportSource(ByteInput(descriptor: descriptor, name: name, closing: true), format: format)
    }

    private init(_ input: ByteInput, format: ExchangeFormat?) throws(ExchangeError) {
        try input.fill(atLeast: FileSample.limit)
        let sample = FileSample(input.window, isWhole: input.isAtEnd, path: input.path)
        var recognised: [(ExchangeFormat, Network?, Scope?)] = []
        var clue: String?
        var tried: [FormatAttempt] = []
        for candidate in format.map({ [$0] }) ?? ExchangeFormat.importable {
            switch candidate.codec.recognise(sample) {
            case .no: tried.append(FormatAttempt(candidate))
            case .near(let text): tried.append(FormatAttempt(candidate, nearMiss: text))
            case .known(let text): clue = clue ?? text
            case .yes(let network, let scope): recognised.append((candidate, network, scope))
            }
        }
        if let format, recognised.isEmpty {
            // Taken at the caller's word: the reader says, record by record, what is wrong.
            recognised = [(format, nil, nil)]
        }
        guard let found = recognised.first else {
            let hasNearMiss = tried.contains { $0.nearMiss != nil }
            let told = clue ?? (hasNearMiss ? nil : FileClue.text(sample))
            throw .unrecognised(name: input.name, clue: told, tried: tried)
        }
        guard recognised.count == 1 else { throw .ambiguous(name: input.name, formats: recognised.map(\.0)) }
        if input.window.starts(with: FileSample.mark) { input.consume(FileSample.mark.count) }
        name = input.name
        size = input.size
        self.format = found.0
        let only = found.0.networks
        network = found.1 ?? (only?.count == 1 ? only?.first : nil)
        scope = found.2
        self.input = Mutex(Handover(input))
    }

    /// The input, for whoever comes first.
    func take() throws(ExchangeError) -> ByteInput {
        let taken = input.withLock { input in
            defer { input = nil }
            return input
        }
        guard let taken else { throw .alreadyRead(name: name) }
        return taken.value
    }
}

/// Hands something that is no `Sendable` from one thread to another. Whoever hands it over keeps no reference.
struct Handover<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
