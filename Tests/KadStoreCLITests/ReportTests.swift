import Foundation
import KadStore
import Kademlia
import Multiformats
import Testing

@testable import KadStoreCLI

@Suite("kadstore report")
struct ReportTests {
    @Test("writes a page that has every number of stats --json, under its path")
    func numbers() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 400)
        let page = try Markup(try Self.page(path, scratch))
        let shown = Self.numbers(of: page)
        let expected = try Self.numbers(of: path)
        #expect(shown.keys.sorted() == expected.keys.sorted())
        for (name, value) in expected { #expect(shown[name] == [value], "\(name)") }
        for element in page.elements where element.attributes["data-stat"] != nil {
            #expect(!element.text.isEmpty)
        }
    }

    @Test("loads nothing and runs nothing: no address leaves the page, and its policy forbids all but its style")
    func isSelfContained() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 40)
        let source = try Self.page(path, scratch)
        let page = try Markup(source)
        for element in page.elements {
            for (name, value) in element.attributes {
                #expect(!value.contains("//"), "\(element.name) \(name)")
                #expect(!["src", "srcset", "style", "action"].contains(name) && !name.hasPrefix("on"), "\(name)")
                if name == "href" { #expect(value.hasPrefix("#")) }
            }
        }
        #expect(!source.contains("@import") && !source.contains("url(h"))
        let policy = page.all("meta").first { $0.attributes["http-equiv"] == "Content-Security-Policy" }
        #expect(policy?.attributes["content"]?.hasPrefix("default-src 'none'; style-src 'sha256-") == true)
        #expect(policy?.attributes["content"]?.contains("unsafe") == false)
    }

    @Test("can be read without seeing it: landmarks, headings in order, labelled pictures with tables behind them")
    func isAccessible() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 400)
        let page = try Markup(try Self.page(path, scratch))
        #expect(page.all("html").first?.attributes["lang"] == "en")
        for landmark in ["main", "header", "footer", "nav", "h1"] {
            #expect(page.all(landmark).count == 1, "\(landmark)")
        }
        let levels = page.elements.compactMap { $0.name.first == "h" ? Int($0.name.dropFirst()) : nil }
        for (before, after) in zip(levels, levels.dropFirst()) { #expect(after <= before + 1) }
        let ids = page.elements.compactMap { $0.attributes["id"] }
        #expect(Set(ids).count == ids.count)
        for link in page.all("a") { #expect(ids.contains(String(link.attributes["href"]?.dropFirst() ?? ""))) }
        for element in page.elements {
            for name in (element.attributes["aria-labelledby"] ?? "").split(separator: " ") {
                #expect(ids.contains(String(name)), "\(name)")
            }
            guard element.name == "svg", element.attributes["aria-hidden"] != "true" else { continue }
            #expect(element.attributes["role"] == "img" && element.attributes["aria-labelledby"] != nil)
        }
        let figures = page.elements.indices.filter { page.elements[$0].name == "figure" }
        #expect(figures.count > 10)
        for figure in figures {
            let details = page.elements.indices.filter {
                page.elements[$0].name == "details" && page.elements[$0].parent == figure
            }
            #expect(details.count == 1, "\(page.elements[figure].attributes)")
            #expect(page.elements[details[0]].text.contains { $0.isNumber })
        }
        for region in page.elements where region.attributes["class"]?.hasPrefix("scroll") == true {
            #expect(region.attributes["tabindex"] == "0" && region.attributes["aria-label"]?.isEmpty == false)
        }
    }

    @Test("shows what strangers call themselves as text, whatever it is")
    func hostileNames() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let names = try await Samples.addHostileNames(path)
        let source = try Self.page(path, scratch, "--title", names[0])
        let page = try Markup(source)
        let known: Set<String> = [
            "!doctype", "html", "head", "meta", "title", "style", "body", "a", "svg", "defs", "pattern", "path",
            "header", "h1",
            "h2", "h3", "p", "code", "b", "br", "time", "nav", "ul", "li", "main", "section", "dl", "dt", "dd", "div",
            "small",
            "span", "figure", "figcaption", "desc", "text", "rect", "circle", "details", "summary", "table", "caption",
            "thead", "tbody", "tfoot", "tr", "th", "td", "footer",
        ]
        for element in page.elements {
            #expect(known.contains(element.name), "\(element.name)")
            #expect(!element.attributes.keys.contains { $0.hasPrefix("on") })
        }
        for scalar in source.unicodeScalars where scalar != "\n" {
            let category = scalar.properties.generalCategory
            #expect(category != .control && category != .format, "U+\(String(scalar.value, radix: 16))")
        }
        let cells = Set(page.all("th").map(\.text))
        for name in names { #expect(cells.contains(Terminal.page.safe(name)), "\(name)") }
        #expect(page.all("h1").first?.text == names[0])
    }

    @Test(
        "an empty store, and stores of other networks, have a page too", arguments: ["libp2p", "mainline", "opendht"])
    func empty(network: String) throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        #expect(try Command.run("init", "--db", path, "--network", network).status == 0)
        let page = try Markup(try Self.page(path, scratch))
        #expect(Self.numbers(of: page)["peers"] == ["0"])
        let pageAround = try Markup(try Self.page(path, scratch, "--near", "hello"))
        #expect(pageAround.all("section").count == page.all("section").count)
    }

    @Test("the share of the largest network and source of a bucket is that of its contacts")
    func spreads() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 400)
        let identity = try await Samples.addIdentity(path, peers)
        let store = try await Store.open(path, mode: .readOnly)
        let buckets = try store.buckets(of: identity)
        let spreads = try BucketSpread.spreads(of: identity, in: store)
        #expect(spreads.count == buckets.count && spreads.last?.isLast == true)
        for (spread, bucket) in zip(spreads, buckets) {
            let groups = Dictionary(bucket.live.compactMap(\.networkGroup?.block).map { ($0, 1) }, uniquingKeysWith: +)
            #expect(spread.networks == groups.count && spread.located == groups.values.reduce(0, +))
            #expect(spread.largestNetwork?.count == groups.values.max())
            let named = try bucket.live.compactMap { try store.record(of: $0.key)?.source }
            let sources = Dictionary(named.map { ($0, 1) }, uniquingKeysWith: +)
            #expect(spread.sources == sources.count && spread.largestSource?.count == sources.values.max())
        }
        // Otherwise the largest is as good as any.
        #expect(spreads.contains { $0.networks > 1 && ($0.largestNetwork?.count ?? 0) * $0.networks > $0.located })
        try await store.close()
    }

    @Test("a node's own table is drawn contact by contact; --near draws all peers around a key")
    func tables() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let peers = try await Samples.fill(path, count: 200)
        _ = try await Samples.addIdentity(path, peers)
        let own = try Markup(try Self.page(path, scratch))
        #expect(own.all("h3").contains { $0.text == "Node 1, main" })
        let around = try Markup(try Self.page(path, scratch, "--near", "x"))
        let buckets = try Command.run("buckets", "--db", path, "--near", "x", "--json").json()
        let table = try #require((buckets["tables"] as? [[String: Any]])?.first)
        let rows = try #require(table["buckets"] as? [[String: Any]])
        let data = try #require(
            around.elements.firstIndex { $0.attributes["aria-label"] == "Contacts by bucket and standing" })
        // Bits, four standings, free, known, last seen: the cells of each row in order.
        let text = around.elements[data].text
        for row in rows { #expect(text.contains("\(row["known"] as? Int ?? -1)")) }
        let cells = around.elements[data...].prefix { $0.attributes["id"] != "spread-0" }
        #expect(cells.filter { $0.name == "th" && $0.attributes["scope"] == "row" }.count == rows.count)
    }

    @Test("counts damaged rows as far as they can be read, and says so")
    func damage() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 40)
        for sql in [
            "UPDATE peer SET addresses = x'ff01', seal = NULL WHERE key = (SELECT min(key) FROM peer)",
            "UPDATE peer SET id = x'', seal = NULL WHERE key = (SELECT max(key) FROM peer)",
            "PRAGMA ignore_check_constraints = 1; UPDATE backoff SET breaker = 9, seal = NULL WHERE key = (SELECT min(key) FROM backoff)",
        ] {
            try Samples.execute(sql, on: path)
        }
        let result = try Command.run("report", "--db", path, "--output", scratch.path("a.html"))
        #expect(result.status == 3)
        #expect(result.messages.contains("3 rows"))
        let page = try Markup(try String(contentsOfFile: scratch.path("a.html"), encoding: .utf8))
        #expect(Self.numbers(of: page)["peers"] == ["40"])
        #expect(page.all("p").contains { $0.attributes["class"] == "warning" && $0.text.contains("3") })
    }

    @Test("draws numbers that cannot be without a trap", arguments: [Int64.min, -1, 0, .max])
    func absurdNumbers(_ number: Int64) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 40)
        try Samples.execute(
            """
            PRAGMA ignore_check_constraints = 1;
            UPDATE peer SET first_seen = \(number), last_seen = \(number), last_ok = \(number), not_before = \(number),
                            wait_ms = \(number), rtt_us = \(number), days_seen = \(number), seal = NULL;
            UPDATE failure SET count = \(number), first_at = \(number), last_at = \(number), seal = NULL;
            UPDATE backoff SET streak_at = \(number), outcomes = \(number), opened_at = \(number), seal = NULL;
            UPDATE member SET first_seen = \(number), last_seen = \(number), failures = \(number), seal = NULL;
            UPDATE bucket SET refreshed_at = \(number), seal = NULL;
            UPDATE lookup_summary SET milliseconds = \(number), queries = \(number), hops = \(number);
            UPDATE lookup_total SET lookups = max(1, \(number)), milliseconds = \(number), queries = \(number)
            """, on: path)
        let page = try Markup(try Self.page(path, scratch))
        #expect(page.all("section").count == 11)
        let shown = Self.numbers(of: page)
        #expect(shown["peers"] == ["44"])
        let around = try Markup(try Self.page(path, scratch, "--near", "x"))
        #expect(around.all("section").count == 11)
    }

    @Test("a page appears whole, readable by its owner alone, and never over the database")
    func output() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4)
        let file = scratch.path("a.html")
        #expect(try Command.run("report", "--db", path, "-o", file).status == 0)
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect((attributes[.posixPermissions] as? Int) == 0o600)
        #expect(try Command.run("report", "--db", path).output.hasPrefix("<!doctype html>"))
        #expect(try Command.run("report", "--db", path, "-o", path).status == 64)
        #expect(try Command.run("report", "--db", path, "-o", scratch.path("none/a.html")).status == 73)
        #expect(try Command.run("report", "--db", scratch.path("none.db")).status == 66)
        let terminal = try PseudoTerminal.run(["report", "--db", path], columns: 80)
        #expect(terminal.contains("--output") && !terminal.contains("<html"))
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.folder)
        #expect(!names.contains { $0.hasPrefix(".a.html") })
    }

    // MARK: -

    static func page(_ path: String, _ scratch: Scratch, _ options: String...) throws -> String {
        let result = try Command.run(["report", "--db", path, "--output", scratch.path("page.html")] + options)
        #expect(result.status == 0, "\(result.messages)")
        return try String(contentsOfFile: scratch.path("page.html"), encoding: .utf8)
    }

    /// What the page gives for each number; one value, or it contradicts itself.
    static func numbers(of page: Markup) -> [String: Set<String>] {
        var numbers: [String: Set<String>] = [:]
        for element in page.elements {
            guard let name = element.attributes["data-stat"], let value = element.attributes["data-value"] else {
                continue
            }
            numbers[name, default: []].insert(value)
        }
        return numbers
    }

    /// The numbers of `stats --json` by their paths, by a reader that is not ours.
    static func numbers(of path: String) throws -> [String: String] {
        var numbers: [String: String] = [:]
        func add(_ value: Any, _ path: String) {
            switch value {
            case let members as [String: Any]:
                for (name, member) in members { add(member, path.isEmpty ? name : "\(path).\(name)") }
            case let elements as [Any]:
                for (index, element) in elements.enumerated() { add(element, "\(path).\(index)") }
            case let number as NSNumber: numbers[path] = "\(number)"
            default: break
            }
        }
        add(try Command.run("stats", "--db", path, "--json").json(), "")
        return numbers
    }
}
