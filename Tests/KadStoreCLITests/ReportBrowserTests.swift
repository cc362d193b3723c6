import Foundation
import Testing

/// The page as a browser has it.
@Suite("kadstore report, in a browser", .serialized, .enabled(if: Browser.isWanted, "no browser: Tools/setup --tests"))
struct ReportBrowserTests {
    /// What a script finds on a copy of the page that allows it, at the width of a small phone.
    struct Findings: Decodable {
        var numbers: [String: String]
        var texts: [String: String]
        var strangers: [String]
        var width, scrollWidth: Double
        var requests: [String]
        var lowContrast: [String]
        var background: String
        var unnamed: [String]
        var hostile: Int
    }

    @Test(
        "renders the numbers that stats --json gives, on a phone and in both color schemes",
        arguments: Browser.Scheme.allCases)
    func numbers(scheme: Browser.Scheme) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 400)
        let findings = try Self.findings(path, scratch, scheme)
        let expected = try ReportTests.numbers(of: path)
        #expect(findings.numbers == expected)
        #expect(findings.texts["peers"] == "404")
        // The exact ones, as people read them in the table of all numbers.
        for (name, text) in findings.texts { #expect(text == expected[name], "\(name)") }
        #expect(findings.width == 360)
        #expect(findings.scrollWidth <= findings.width, "the page scrolls sideways")
        #expect(findings.requests == [])
        #expect(findings.lowContrast == [])
        #expect(findings.unnamed == [])
        #expect(findings.strangers == [])
        #expect(findings.background == (scheme == .dark ? "rgb(19, 21, 24)" : "rgb(253, 253, 251)"))
    }

    @Test("makes no element of what strangers call themselves")
    func hostileNames() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        let names = try await Samples.addHostileNames(path)
        let findings = try Self.findings(path, scratch, .light, "--title", names[0])
        #expect(findings.strangers == [])
        #expect(findings.requests == [])
        #expect(findings.hostile >= names.count)
        #expect(findings.scrollWidth <= findings.width)
    }

    @Test("runs no script, not even one that somebody puts into it")
    func policy() async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fill(path, count: 4)
        let page = try ReportTests.page(path, scratch)
        let script =
            "<script>document.documentElement.id = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
        let copy = scratch.path("copy.html")
        try page.replacing("<main id", with: script + "<main id").write(toFile: copy, atomically: true, encoding: .utf8)
        let document = try Browser.document(copy)
        #expect(document.contains("<h1>Routing table: a.db</h1>"))
        #expect(document.contains("<html lang=\"en\">") && document.contains("<title>Routing table: a.db</title>"))
        // The same without the policy shows that the script would have run.
        try page.replacing("Content-Security-Policy", with: "X-None").replacing("<main id", with: script + "<main id")
            .write(toFile: copy, atomically: true, encoding: .utf8)
        #expect(try Browser.document(copy).contains("id=\"ran\""))
    }

    @Test("is not blank", arguments: Browser.Scheme.allCases)
    func picture(scheme: Browser.Scheme) async throws {
        let scratch = Scratch()
        let path = scratch.path("a.db")
        try await Samples.fillEverything(path, count: 400)
        _ = try ReportTests.page(path, scratch)
        let blank = scratch.path("blank.html")
        try "<title>nothing</title>".write(toFile: blank, atomically: true, encoding: .utf8)
        func size(_ file: String) throws -> Int {
            try Browser.picture(file, scheme, width: 1_280, height: 2_000, to: scratch.path("\(scheme).png")).count
        }
        #expect(try size(scratch.path("page.html")) > 5 * size(blank))
    }

    // MARK: -

    /// Opens a copy of the page that a script may look at, in a frame of 360 pixels: a headless window is wider.
    private static func findings(
        _ path: String, _ scratch: Scratch, _ scheme: Browser.Scheme, _ options: String...
    ) throws -> Findings {
        let result = try Command.run(["report", "--db", path, "--output", scratch.path("page.html")] + options)
        #expect(result.status == 0, "\(result.messages)")
        let page = try String(contentsOfFile: scratch.path("page.html"), encoding: .utf8)
        let copy = page.replacing("Content-Security-Policy", with: "X-None")
            .replacing("</body>", with: "<script>\(probe)</script></body>")
        #expect(copy.contains("postMessage"))
        try copy.write(toFile: scratch.path("copy.html"), atomically: true, encoding: .utf8)
        let frame = """
            <!doctype html><meta name="color-scheme" content="light dark"><body><script>
            addEventListener("message", event => { document.body.innerHTML = "<pre>" + event.data + "</pre>" })
            </script><iframe src="copy.html" style="width:360px;height:800px;border:0"></iframe>
            """
        try frame.write(toFile: scratch.path("frame.html"), atomically: true, encoding: .utf8)
        let document = try Browser.document(scratch.path("frame.html"), scheme)
        let start = try #require(document.firstRange(of: "<pre>")?.upperBound, "the page did not load: \(document)")
        let end = try #require(document.firstRange(of: "</pre>")?.lowerBound)
        let bytes = try #require(Data(base64Encoded: String(document[start..<end])))
        return try JSONDecoder().decode(Findings.self, from: bytes)
    }

    private static let probe = """
        addEventListener("load", () => {
          const all = [...document.querySelectorAll("*")], numbers = {}, texts = {}
          document.querySelectorAll("details").forEach(details => details.open = true)
          for (const element of document.querySelectorAll("[data-stat]")) {
            const name = element.dataset.stat, value = element.dataset.value
            numbers[name] = numbers[name] === undefined || numbers[name] === value ? value : "contradiction"
            if (element.closest("#numbers")) texts[name] = element.innerText
          }
          const light = text => {
            const part = text.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255)
              .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            return .2126 * part[0] + .7152 * part[1] + .0722 * part[2]
          }
          const background = getComputedStyle(document.body).backgroundColor
          const behind = element => {
            for (let e = element; e; e = e.parentElement) {
              const color = getComputedStyle(e).backgroundColor
              if (color !== "rgba(0, 0, 0, 0)") return color
            }
            return background
          }
          const low = new Set
          for (const element of document.body.querySelectorAll("*")) {
            if (["SCRIPT", "title", "desc"].includes(element.tagName)) continue
            if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue
            const style = getComputedStyle(element), color = element.tagName === "text" ? style.fill : style.color
            const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x)
            if ((a + .05) / (b + .05) < 4.5) low.add(element.tagName + "." + element.className + " " + color)
          }
          const unnamed = [...document.querySelectorAll("svg:not([aria-hidden])")]
            .filter(svg => !svg.getAttribute("aria-labelledby").split(" ").every(id => document.getElementById(id)?.textContent))
          const result = {
            numbers, texts, background, width: innerWidth, scrollWidth: document.documentElement.scrollWidth,
            strangers: all.filter(e => e.matches("script, img, iframe, object, embed, link, base, form, input, video, foreignObject")
              && !e.textContent.includes("postMessage")).map(e => e.outerHTML.slice(0, 80)),
            requests: performance.getEntriesByType("resource").map(entry => entry.name),
            lowContrast: [...low], unnamed: unnamed.map(svg => svg.outerHTML.slice(0, 80)),
            hostile: [...document.querySelectorAll("th")].filter(th => /script|onerror|u\\{/.test(th.innerText)).length
          }
          const bytes = new TextEncoder().encode(JSON.stringify(result))
          parent.postMessage(btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join("")), "*")
        })
        """
}
