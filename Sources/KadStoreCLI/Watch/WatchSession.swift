import KadStore
import Kademlia

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One run of `kadstore watch`: events come in one after the other, what is to be seen goes out.
struct WatchSession {
    enum Manner { case screen, lines, json }

    private let manner: Manner
    private let interval: Int64
    private let count: Int?
    private let events: WatchEvents
    private var lookCount = 0
    private var store: WatchedStore
    private var model = WatchModel(startedAt: .systemClock())
    private var mode = WatchView.Mode()
    private var screen = WatchScreen()
    private var lastLook: ContinuousClock.Instant?
    /// The count that is under way.
    private var counting: Task<Void, Never>?
    /// When the last count was done, and how long it took.
    private var lastCount: (at: ContinuousClock.Instant, milliseconds: Int64)?

    /// A count reads the whole store: at most this often, and never for more than a twentieth of the time.
    private static let countEveryMilliseconds: Int64 = 10_000
    private static let countShare: Int64 = 20

    init(_ store: WatchedStore, manner: Manner, interval: Int64, count: Int?) throws {
        self.store = store
        self.manner = manner
        self.interval = interval
        self.count = count
        let isScreen = manner == .screen
        events = try WatchEvents(
            signals: [SIGINT, SIGTERM, SIGHUP, SIGQUIT] + (isScreen ? [SIGWINCH, SIGTSTP, SIGCONT] : []),
            hasKeys: isScreen && isatty(STDIN_FILENO) == 1)
    }

    /// Goes on until a key, a signal, the wanted number of looks or an error ends it. The terminal is as it was then.
    mutating func run() async throws {
        defer {
            screen.leave()
            events.end()
        }
        if manner == .screen { try screen.enter() }
        try await look()
        if looksAreLeft {
            for await event in events.stream {
                guard try await handle(event) else { break }
            }
        }
        // It holds a connection: with that one open, the last reader of a store would not tidy its log away.
        counting?.cancel()
        await counting?.value
        await store.close()
    }

    /// - Returns: whether to go on.
    private mutating func handle(_ event: WatchEvent) async throws -> Bool {
        switch event {
        case .tick:
            if mode.isPaused { events.tick(afterMilliseconds: interval) } else { try await look() }
            return looksAreLeft
        case .key(let key):
            if key == .quit { return false }
            press(key)
            try show()
        case .signal(SIGTSTP):
            screen.leave()
            events.suspend()
            try resume()
        case .signal(SIGCONT): try resume()
        case .signal(SIGWINCH): try show()
        case .signal, .hangup: return false
        case .counted(let statistics, let generation, let milliseconds):
            counting = nil
            lastCount = (.now, milliseconds)
            guard generation == store.generation, let statistics else { return true }
            model.counts = WatchModel.Counts(statistics: statistics, at: .systemClock())
            if manner == .screen { try show() }
        }
        return true
    }

    private var looksAreLeft: Bool { lookCount < count ?? .max }

    private mutating func look() async throws {
        let now = ContinuousClock.now
        let generation = store.generation
        if let look = await store.look(now: .systemClock()) {
            if store.generation != generation {
                // What was seen of another file says nothing about this one.
                model.startAnew()
                lastLook = nil
            }
            model.take(look, elapsed: lastLook.map { Self.milliseconds(now - $0) } ?? 0)
            lastLook = now
            countIfDue()
        }
        lookCount += 1
        try present()
        if looksAreLeft { events.tick(afterMilliseconds: interval) }
    }

    /// Has the whole store counted in the background, seldom.
    private mutating func countIfDue() {
        guard counting == nil, let open = store.store else { return }
        if let lastCount, model.counts != nil {
            let wait = max(Self.countEveryMilliseconds, lastCount.milliseconds * Self.countShare)
            guard Self.milliseconds(.now - lastCount.at) >= wait else { return }
        }
        let generation = store.generation
        counting = Task { [events] in
            let start = ContinuousClock.now
            let statistics = try? await open.statistics()
            events.yield(
                .counted(statistics, generation: generation, milliseconds: Self.milliseconds(.now - start)))
        }
    }

    // MARK: What is seen

    private var view: WatchView {
        WatchView(
            terminal: .standardOutput, path: store.path, now: .systemClock(), intervalMilliseconds: interval)
    }

    /// Shows what a look has found.
    private mutating func present() throws {
        switch manner {
        case .screen: try show()
        case .lines: try printLine(view.line(model, store))
        case .json: try printLine(view.json(model, store).text)
        }
    }

    private func printLine(_ text: String) throws {
        var output = Output()
        try output.line(text)
        try output.flush()
    }

    private mutating func show() throws {
        guard screen.isEntered else { return }
        let size = WatchScreen.currentSize()
        try screen.show(view.frame(model, store, mode, size), size)
    }

    private mutating func resume() throws {
        try screen.enter()
        try show()
    }

    private mutating func press(_ key: WatchKey) {
        let tables = model.look?.tables ?? []
        switch key {
        case .pause: mode.isPaused.toggle()
        case .help: mode.showsHelp.toggle()
        case .next: select(mode.identity + 1, of: tables.count)
        case .previous: select(mode.identity - 1, of: tables.count)
        case .up: mode.scroll = max(0, mode.scroll - 1)
        case .down:
            let buckets = tables.indices.contains(mode.identity) ? tables[mode.identity].buckets.count : 0
            mode.scroll = min(mode.scroll + 1, buckets)
        case .quit, .other: mode.showsHelp = false
        }
    }

    private mutating func select(_ identity: Int, of count: Int) {
        guard count > 0 else { return }
        mode.identity = (identity + count) % count
        mode.scroll = 0
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
