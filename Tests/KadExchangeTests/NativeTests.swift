import Kademlia
import Multiformats
import Synchronization
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

/// A store with something in every table and every field, drawn from a seed.
enum FullStore {
    static let nasty = [
        "", "plain/1.0", "comma, \"quote\" \\ slash/", "tab\t nl\n cr\r nul\u{0} bell\u{7} esc\u{1b}[31m del\u{7f}",
        "line\u{2028}para\u{2029}nel\u{85}", "right\u{202e}left zero\u{200b}width \u{feff}bom", "tag\u{e0041}",
        "=HYPERLINK(\"x\")",
        "e\u{301} decomposed", "emoji 👩‍👩‍👧 𝄞", "-1+2@3", "\u{fffd}\u{ffff}\u{10ffff}", "   ", "{\"peer\":1}",
    ]

    static func items(_ store: Store, seed: UInt64, peers: Int) throws -> [RestoreItem] {
        var generator = SeededGenerator(seed: seed)
        func draw(_ range: Range<Int64>) -> Int64 { Int64.random(in: range, using: &generator) }
        func flip() -> Bool { Bool.random(using: &generator) }
        func instant() -> Instant { .seconds(draw(0..<10_000_000)) }
        func name() -> String { nasty.randomElement(using: &generator) ?? "" }
        func address(_ index: Int) -> Multiaddr {
            switch draw(0..<4) {
            case 0: Multiaddr(ip: .v6(high: 0x2001_0db8 << 32, low: UInt64(index)), udp: UInt16(index & 0xffff))
            case 1: (try? Multiaddr("/dns4/\"ü,\\.example/tcp/443/tls/ws")) ?? Multiaddr(ip: .v4(1), tcp: 1)
            case 2:
                (try? Multiaddr("/ip4/10.0.0.1/tcp/1/p2p/\(PeerID.test(9).text)/p2p-circuit"))
                    ?? Multiaddr(ip: .v4(1), tcp: 1)
            default: Multiaddr(ip: .v4(0x0a00_0000 + UInt32(index)), tcp: 4001)
            }
        }
        var items: [RestoreItem] = []
        var records: [PeerRecord] = []
        for index in 0..<peers {
            let id =
                store.network == .libp2p
                ? (index == 3 ? PeerID([1, 2, 3])! : .test(seed &* 1_000 &+ UInt64(index)))
                : PeerID(Key.random(using: &generator).bytes(count: store.network.keyByteCount))!
            var record = PeerRecord(peer: try store.peer(id), firstSeen: instant(), source: flip() ? name() : nil)
            record.lastSeen = record.firstSeen.advanced(byMilliseconds: draw(0..<1_000_000))
            if flip() { record.lastOK = record.lastSeen.advanced(byMilliseconds: -draw(0..<3)) }
            record.successes = Int(draw(0..<3))
            if flip() { record.rtt = RTTEstimate(smoothed: draw(0..<1_000_000), variation: draw(0..<10)) }
            record.daysSeen = UInt32(truncatingIfNeeded: generator.next()) | 1
            if flip() { record.agent = name() }
            record.protocols =
                flip()
                ? []
                : Set((0..<3).map { _ in name() + "x" }.filter { !$0.contains("\n") })
                    .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            var known: Set<Multiaddr> = []
            for offset in 0..<Int(draw(0..<4)) {
                let place = address(index * 4 + offset)
                guard known.insert(place).inserted else { continue }
                let first = flip() ? record.firstSeen : instant()
                record.addresses.append(
                    AddressRecord(
                        address: place, firstSeen: first, lastSeen: first.advanced(byMilliseconds: draw(0..<99)),
                        lastOK: flip() ? record.lastOK : nil, failures: Int(draw(0..<3)),
                        source: flip() ? record.source : flip() ? nil : name()))
            }
            if flip() {
                record.failures = [nil, record.addresses.first?.address].enumerated().compactMap { index, place in
                    guard index == 0 || place != nil else { return nil }
                    let first = instant()
                    return FailureRecord(
                        address: place, failureClass: FailureClass.allCases.randomElement(using: &generator)!,
                        count: Int(draw(1..<9)), firstAt: first, lastAt: first.advanced(byMilliseconds: draw(0..<99)))
                }
                record.backoff = BackoffState(
                    streakMilli: draw(0..<9_999), streakAt: instant(), lastClass: .refused,
                    notBefore: flip() ? instant() : nil, outcomes: UInt32(draw(0..<0xffff_ffff)),
                    outcomeCount: Int(draw(0..<33)), breaker: .allCases.randomElement(using: &generator)!,
                    openings: Int(draw(0..<4)), openedAt: flip() ? instant() : nil, trials: Int(draw(0..<3)))
                if record.backoff?.notBefore != nil { record.backoff?.waitMilliseconds = draw(0..<100_000) }
            }
            records.append(record)
            items.append(.peer(record))
        }
        for index in 0..<peers / 2 {
            let first = instant()
            items.append(
                .candidate(
                    Candidate(
                        address: Multiaddr(ip: .v4(0x0b00_0000 + UInt32(index)), udp: 6881), firstSeen: first,
                        lastSeen: first.advanced(byMilliseconds: draw(0..<99)), lastTried: flip() ? instant() : nil,
                        tries: Int(draw(0..<4)),
                        source: flip() ? name() : nil)))
            items.append(
                .tombstone(
                    Tombstone(
                        key: Key(bytes: Key.random(using: &generator).bytes(count: store.network.keyByteCount))!,
                        droppedAt: instant(), streakMilli: draw(0..<10),
                        lastClass: FailureClass.allCases.randomElement(using: &generator)!,
                        notBefore: flip() ? instant() : nil,
                        waitMilliseconds: draw(0..<10))))
        }
        for number in 1...Int64(2) {
            let id =
                store.network == .libp2p
                ? PeerID.test(seed &+ 77 &+ UInt64(number))
                : PeerID(Key.random(using: &generator).bytes(count: store.network.keyByteCount))!
            items.append(
                .identity(
                    Identity(number: number * 3, peer: try store.peer(id), label: name(), createdAt: instant())))
            for (index, part) in [records.prefix(3), records.dropFirst(3).prefix(3)].enumerated() where !part.isEmpty {
                let contacts = part.map {
                    Contact(
                        key: $0.key, networkGroup: $0.addresses.first?.address.networkGroup(private: flip()),
                        firstSeen: instant(), lastSeen: instant(), lastOK: flip() ? instant() : nil,
                        isVerified: flip(), consecutiveFailures: Int(draw(0..<3)))
                }
                items.append(
                    .bucket(
                        BucketSnapshot(
                            index: index * 7, refreshedAt: flip() ? instant() : nil, live: Array(contacts.prefix(2)),
                            replacements: Array(contacts.dropFirst(2))), identity: number * 3))
            }
        }
        items.append(
            .clock(
                ClockMark(highWater: instant(), onlineMilliseconds: 12_345, bootID: "b-\u{1b}", bootedAt: instant())))
        let members = records.enumerated().filter { $0.offset % 5 == 0 }.map(\.element)
        for record in members {
            items.append(
                .held(
                    OutageGuard.Held(
                        key: record.key, group: record.addresses.first?.address.networkGroup(private: flip()),
                        failureClass: FailureClass.allCases.randomElement(using: &generator)!, at: instant(),
                        isWitnessed: flip(), count: Int(draw(1..<5)), redialledAt: flip() ? instant() : nil)))
        }
        let witnesses = (0..<draw(0..<3)).map {
            OutageGuard.Witness(
                group: $0 == 0 ? nil : .ipv4(UInt32($0)), at: instant(), since: instant(),
                spacing: flip() ? draw(0..<999) : .max)
        }
        items.append(.witnesses(witnesses, canaryAt: flip() ? instant() : nil))
        for number in 0..<draw(0..<5) {
            let start = Instant.seconds(number * 100_000)
            items.append(
                .session(OnlineTime.Session(start: start, end: start.advanced(byMilliseconds: draw(0..<9_999)))))
        }
        func count() -> Int { Int(draw(0..<3)) }
        for number in 0..<draw(0..<9) {
            items.append(
                .lookup(
                    LookupSummary(
                        identity: flip() ? 3 : nil, finishedAt: .seconds(number),
                        reason: Lookup.FinishReason.allCases.randomElement(using: &generator)!,
                        milliseconds: draw(0..<3), queries: count(), answers: count(), failures: count(),
                        timeouts: count(), skipped: count(), slow: count(), refills: count(), hops: count(),
                        offered: count(), entered: count(), distances: count(), peakFrontier: count())))
        }
        for reason in Lookup.FinishReason.allCases where flip() {
            items.append(
                .lookupTotals(
                    LookupTotals(
                        reason: reason, lookups: count(), milliseconds: draw(0..<3), queries: count(), answers: count(),
                        failures: count(), timeouts: count(), skipped: count())))
        }
        return items
    }

    static func fill(_ store: Store, seed: UInt64, peers: Int) async throws {
        let items = try items(store, seed: seed, peers: peers)
        let rest = Mutex(items[...])
        try await store.restore { rest.withLock { $0.popFirst() } }
    }
}

@Suite("The native format")
struct NativeTests {
    let scratch = Scratch()

    private func restored(_ bytes: [UInt8], _ network: Network = .libp2p, _ scope: Scope = .private) async throws
        -> Store
    {
        let store = try await scratch.store(network, scope)
        _ = try await store.restorePeers(from: ImportSource.open(try scratch.write(bytes)))
        return store
    }

    @Test("export, restore, export gives the same bytes, whatever the store holds", arguments: Seeds.first(12))
    func roundTrip(seed: UInt64) async throws {
        for network in [Network.libp2p, .mainline] {
            let original = try await scratch.store(network)
            try await FullStore.fill(original, seed: seed, peers: 40)
            let first = try await scratch.export(original)
            let copy = try await restored(first, network)
            #expect(try await scratch.export(copy) == first, "seed \(seed)")
            #expect(try copy.allPeers() == original.allPeers())
            #expect(try copy.clock() == original.clock())
            #expect(try copy.heldFailures() == original.heldFailures())
            #expect(try copy.witnesses() == original.witnesses())
            #expect(try copy.sessions() == original.sessions())
            #expect(try copy.lookupStatistics() == original.lookupStatistics())
            #expect(try await copy.check(full: true).problems.filter { $0.place != "member" } == [], "seed \(seed)")
        }
    }

    @Test("a wait whose end a line does not tell is none, as it is not written either")
    func endlessWait() throws {
        let line = """
            {"peer":"\(PeerID.test(1).text)","key":"\(Hex.encode([UInt8](repeating: 1, count: 32)))","firstSeenMs":1,\
            "lastSeenMs":1,"backoff":{"streakMilli":1000,"streakAtMs":1,"class":"timeout","waitMs":80000}}
            """
        let record = try Array(line.utf8).withUnsafeBufferPointer { try NativeParser(network: .libp2p).record($0) }
        guard case .peer(let peer) = record else {
            Issue.record("not a peer")
            return
        }
        #expect(peer.backoff?.streakMilli == 1_000)
        #expect(peer.backoff?.waitMilliseconds == 0)
    }

    @Test("a file of schema 1 restores")
    func olderSchema() async throws {
        let store = try await scratch.store(.libp2p, .public)
        let path = fixture("../stores/V0001.jsonl")
        let report = try await store.restorePeers(from: ImportSource.open(path))
        #expect(report.peers == 6 && report.tombstones == 1 && report.buckets == 4)
        #expect(report.heldFailures == 0 && report.sessions == 0 && report.lookups == 0)
        #expect(try await store.check(full: true).problems == [])
        // The same lines again, but for the first, which tells the schema, and the last, which has the hash of all.
        let lines = read(path).split(separator: UInt8(ascii: "\n")).dropFirst().dropLast()
        let again = try await scratch.export(store).split(separator: UInt8(ascii: "\n")).dropFirst().dropLast()
        #expect(again.elementsEqual(lines))
    }

    @Test(
        "a file of schema 2 and 3 restores, all that a node remembers with it, and comes out again line by line",
        arguments: [2, 3])
    func laterSchemas(version: Int) async throws {
        let store = try await scratch.store(.libp2p, .public)
        let path = fixture("../stores/V000\(version).jsonl")
        let report = try await store.restorePeers(from: ImportSource.open(path))
        #expect(report.peers == 6 && report.tombstones == 2 && report.buckets == 4)
        #expect(report.heldFailures == 1 && report.sessions == 2 && report.lookups == 2)
        #expect(try await store.check(full: true).problems == [])
        #expect(try await scratch.export(store) == read(path))
    }

    @Test("values, providers and crawls stay in the store: an export has no word of them")
    func valuesStay() async throws {
        let store = try await scratch.store()
        let before = try await scratch.export(store)
        let now = Instant.systemClock()
        try store.record(
            .valueStored(
                StoredValue(key: [1], value: [2], receivedAt: now, expiresAt: now.advanced(byMilliseconds: 60_000))))
        _ = try await store.beginCrawl(at: now)
        try await store.flush()
        #expect(try await scratch.export(store) == before)
    }

    @Test("a restore refuses more of a node's memory than any node keeps, and what cannot be")
    func immense() async throws {
        let key = Key(1, 2, 3, 4)
        let hostile: [[RestoreItem]] = [
            (0...Int64(OnlineTime.maximumCount)).map {
                .session(OnlineTime.Session(start: .seconds($0 * 1_000), end: .seconds($0 * 1_000)))
            },
            (0...LookupSummary.maximumCount).map { _ in
                .lookup(LookupSummary(finishedAt: .seconds(0), reason: .complete))
            },
            [.session(OnlineTime.Session(start: .seconds(1), end: .seconds(0)))],
            [.lookup(LookupSummary(finishedAt: .seconds(0), reason: .complete, hops: -1))],
            [.lookupTotals(LookupTotals(reason: .complete, lookups: -1))],
            [
                .held(
                    OutageGuard.Held(
                        key: key, group: nil, failureClass: .timeout, at: .seconds(0), isWitnessed: false, count: 0,
                        redialledAt: nil))
            ],
        ]
        let store = try await scratch.store()
        for items in hostile {
            let rest = Mutex(items[...])
            await #expect(throws: StoreError.self) { try await store.restore { rest.withLock { $0.popFirst() } } }
        }
        #expect(try store.sessions().sessions.isEmpty && store.lookupStatistics() == LookupHistory())
    }

    @Test("an export is one line a record, printable ASCII or harmless text, whatever agents say")
    func printable() async throws {
        let store = try await scratch.store()
        try await FullStore.fill(store, seed: 5, peers: 60)
        let text = try await scratch.exportText(store)
        for character in text.unicodeScalars where character != "\n" { #expect(Printable.isHarmless(character)) }
        let lines = text.split(separator: "\n")
        let records = 60 + 30 + 30 + 2 + 4
        let engine =
            try store.heldFailures().count + store.sessions().sessions.count
            + store.lookupStatistics().recent.count + store.lookupStatistics().totals.count
        let witnesses = try store.witnesses()
        let guardLines = witnesses.witnesses.isEmpty && witnesses.canaryAt == nil ? 0 : 1
        #expect(lines.count == records + engine + guardLines + 2)
        #expect(!text.contains("salt"))
    }

    @Test("an empty store goes out and comes back")
    func empty() async throws {
        let store = try await scratch.store()
        let bytes = try await scratch.export(store)
        #expect(bytes.filter { $0 == UInt8(ascii: "\n") }.count == 2)
        #expect(try await scratch.export(try await restored(bytes)) == bytes)
    }

    @Test("a restore needs an empty store, the same network and the same scope")
    func refusals() async throws {
        let store = try await scratch.store()
        try await FullStore.fill(store, seed: 1, peers: 5)
        let path = try scratch.write(try await scratch.export(store))
        await #expect(throws: ExchangeError.store(.notEmpty(path: store.path))) {
            try await store.restorePeers(from: ImportSource.open(path))
        }
        for (network, scope) in [(Network.libp2p, Scope.public), (.mainline, .private)] {
            let other = try await scratch.store(network, scope)
            let error = await #expect(throws: ExchangeError.self) {
                try await other.restorePeers(from: ImportSource.open(path))
            }
            guard case .networkMismatch = error else { throw error ?? .cancelled }
            #expect(try other.allPeers().isEmpty)
        }
        let csv = try await scratch.store()
        await #expect(throws: ExchangeError.self) {
            try await csv.restorePeers(from: ImportSource.open(fixture("nebula-visits.ndjson")))
        }
    }

    @Test("a file that is changed or cut at any byte restores nothing, and an import keeps what is good")
    func damage() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 3, peers: 3)
        let whole = try await scratch.export(original)
        let header = try #require(whole.firstIndex(of: UInt8(ascii: "\n")))
        let copy = try await scratch.store()
        var generator = SeededGenerator(seed: 1)
        for length in stride(from: header + 1, to: whole.count - 1, by: 61) {
            let path = try scratch.write(Array(whole[..<length]))
            let error = await #expect(throws: ExchangeError.self) {
                try await copy.restorePeers(from: ImportSource.open(path))
            }
            guard case .notRestorable = error else { throw error ?? .cancelled }
            var changed = whole
            let place = Int.random(in: (header + 1)..<whole.count - 1, using: &generator)
            changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            let other = try scratch.write(changed)
            await #expect(throws: ExchangeError.self, "byte \(place)") {
                try await copy.restorePeers(from: ImportSource.open(other))
            }
        }
        #expect(try copy.allPeers().isEmpty)
        #expect(try copy.identities().isEmpty)

        // Without the footer: everything is there, and the report says that the end is not.
        let lines = whole.split(separator: UInt8(ascii: "\n"))
        let cut = Array(lines.dropLast().joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")]
        let report = try await scratch.import(cut, into: copy)
        #expect(report.fault == ImportFault(place: .line(lines.count - 1), reason: .noFooter))
        #expect(report.summary.peers.added == 3)
    }

    @Test("a plain import takes peers for foreign: failures yes, successes only on trust, tables never")
    func foreign() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 8, peers: 30)
        let bytes = try await scratch.export(original)
        let plain = try await scratch.store()
        var options = ImportOptions.test
        options.allowsUnroutable = true
        let report = try await scratch.import(bytes, into: plain, options)
        #expect(report.fault == nil)
        #expect(report.notes[.verified] == 1)
        #expect(report.notes[.restoreOnly("tombstones")] == 15)
        #expect(report.summary.peers.added == 30 && report.rejectedCount == 0)
        #expect(report.summary.candidates.added == 15)
        #expect(try plain.identities().isEmpty)
        #expect(try plain.tombstones().tombstones.isEmpty)
        let records = try plain.allPeers()
        #expect(records.allSatisfy { $0.lastOK == nil && $0.successes == 0 && $0.backoff == nil })
        for (copy, peer) in zip(records, try original.allPeers()) {
            #expect(copy.failures == peer.failures)
            #expect(copy.firstSeen <= peer.firstSeen)
            #expect(Set(copy.addresses.map(\.address)) == Set(peer.addresses.map(\.address)))
        }
        let trusting = try await scratch.store()
        options.trustsHistory = true
        _ = try await scratch.import(bytes, into: trusting, options)
        #expect(try trusting.allPeers().map(\.lastOK) == original.allPeers().map(\.lastOK))
        #expect(try trusting.allPeers().map(\.successes) == original.allPeers().map(\.successes))
    }

    @Test("what is damaged is left out and counted, of every kind; what follows is there")
    func damaged() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 8, peers: 30)
        for number in 0..<2_500 {
            try original.record(
                .candidateHeard(
                    Multiaddr(ip: .v4(0x0a00_0000 + UInt32(number)), tcp: 4_001), source: "test", at: .seconds(0)))
        }
        try await original.flush()
        let path = original.path
        let whole = try await original.exportPeers(to: scratch.path("whole.jsonl"))
        try await original.close()
        #expect(whole.damaged == 0 && whole.damagedCandidates == 0 && whole.damagedTombstones == 0)
        // More than a page of candidates, so that one page has none that is sound.
        let rows = 1_600
        try Connection(path: path, access: .readWrite).execute(
            """
            UPDATE candidate SET tries = tries + 1
                WHERE address IN (SELECT address FROM candidate ORDER BY address LIMIT \(rows) OFFSET 100);
            UPDATE tombstone SET streak_milli = streak_milli + 1
                WHERE key IN (SELECT key FROM tombstone ORDER BY key LIMIT 2);
            UPDATE peer SET last_seen = last_seen + 1 WHERE key = (SELECT max(key) FROM peer)
            """)
        let store = try await Store.open(path)
        let report = try await store.exportPeers(to: scratch.path("damaged.jsonl"))
        #expect(report.damaged == 1 && report.peers == whole.peers - 1)
        #expect(report.damagedCandidates == rows && report.candidates == whole.candidates - rows)
        #expect(report.damagedTombstones == 2 && report.tombstones == whole.tombstones - 2)
        var filtered = ExportOptions()
        filtered.filter = .everAnswered
        #expect(try await store.exportPeers(to: scratch.path("some.jsonl"), filtered).damagedCandidates == 0)
        let diff = try await Exchange.diff(.store(store), .store(store), DiffOptions(now: .test))
        #expect(diff.first.unread == rows + 1)
        try await store.close()
    }

    @Test("a key that is not the id's hash is refused")
    func wrongKey() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 2, peers: 2)
        let text = try await scratch.exportText(original)
        let key = try #require(try original.allPeers().first).key.description
        let changed = text.replacing(
            "\"key\":\"\(key)", with: "\"key\":\"\(String(key.dropLast()))0", maxReplacements: 1)
        let other =
            changed == text ? text.replacing(key, with: String(key.dropLast()) + "1", maxReplacements: 1) : changed
        let store = try await scratch.store()
        let report = try await scratch.import(other, into: store, .test { $0.allowsUnroutable = true })
        #expect(report.rejected == [.hash: 1])
        #expect(report.rejections.first?.place == .line(2))
        #expect(report.fault?.reason.kind == .integrity)
    }

    @Test("a newer schema is named as such")
    func newer() async throws {
        let store = try await scratch.store()
        let text = try await scratch.exportText(store).replacing("\"schema\":2", with: "\"schema\":3")
        let path = try scratch.write(text)
        let error = #expect(throws: ExchangeError.self) { try ImportSource.open(path) }
        #expect(error?.description.contains("newer kadstore") == true)
    }

    @Test("line ends of another system change the hash, not what is read")
    func crlf() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 4, peers: 4)
        let text = "\u{feff}\r\n" + (try await scratch.exportText(original)).replacing("\n", with: "\r\n")
        let store = try await scratch.store()
        let report = try await scratch.import(text, into: store, .test { $0.allowsUnroutable = true })
        #expect(report.summary.peers.added == 4)
        #expect(report.fault?.reason.kind == .integrity)
    }

    @Test("a filter writes the peers it passes, and restores")
    func filtered() async throws {
        let original = try await scratch.store()
        try await FullStore.fill(original, seed: 6, peers: 30)
        let bytes = try await scratch.export(original, filter: .everAnswered)
        let copy = try await restored(bytes)
        let answered = try original.allPeers().filter { $0.lastOK != nil }
        #expect(try copy.allPeers() == answered)
        #expect(try await scratch.export(copy) == bytes)
    }
}
