import KadStore
import Kademlia

/// A survey of a store as one page that needs nothing else: no network, no script, no font.
struct ReportPage {
    /// A routing table with how its buckets are spread over networks and sources.
    struct Table {
        var picture: TablePicture
        var spreads: [BucketSpread]
    }

    let title: String
    let survey: Survey
    let store: Store
    let tables: [Table]
    /// Identities whose tables are not drawn.
    let tablesLeftOut: Int
    let numbers: ReportNumbers

    /// Tables that are drawn: a page stays small whatever a file holds.
    static let maximumTables = 6

    var statistics: Statistics { survey.statistics }
    var now: Instant { survey.takenAt }

    /// - Parameter near: nil for the tables that nodes keep in the store.
    init(of store: Store, title: String, near: Key?, progress: @escaping @Sendable (Int) -> Void) async throws {
        let identities = near == nil ? try store.identities() : []
        let center = identities.isEmpty ? near ?? .zero : nil
        let survey = try await store.survey(around: center, progress: progress)
        if let center {
            tables = [
                Table(
                    picture: TablePicture(of: store, around: center, survey),
                    spreads: survey.ranges.map(BucketSpread.init))
            ]
        } else {
            tables = try identities.prefix(Self.maximumTables).map { identity in
                Table(
                    picture: try TablePicture(of: store, identity: identity, now: survey.takenAt),
                    spreads: try BucketSpread.spreads(of: identity, in: store))
            }
        }
        tablesLeftOut = max(0, identities.count - Self.maximumTables)
        self.title = title
        self.survey = survey
        self.store = store
        numbers = ReportNumbers(StatsCommand.json(survey.statistics, store))
    }
}

extension ReportPage {
    /// The whole document.
    var html: HTML {
        let sections = [
            overview, tableSection, networkSection, livenessSection, failureSection, backoffSection, roundTripSection,
            growthSection, lookupSection, nameSection, numberSection,
        ]
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(ReportStyle.policy)">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <meta name="generator" content="kadstore \(KadStoreCommand.configuration.version)">
            <title>\(title)</title>
            <style>\(ReportStyle.sheet)</style>
            </head>
            <body>
            <a class="skip" href="#main">Skip to the report</a>
            \(Pattern.definitions)
            <header>
            <h1>\(title)</h1>
            <p>\(subtitle)</p>
            <nav aria-label="Sections"><ul>\(sections.map(\.link))</ul></nav>
            </header>
            <main id="main">
            \(damage)\(sections.map(\.html))
            </main>
            <footer><p>Made by kadstore \(KadStoreCommand.configuration.version). This page is whole: it loads \
            nothing and runs nothing. Times are UTC.</p></footer>
            </body>
            </html>

            """
    }

    private var subtitle: HTML {
        let network = store.network
        return """
            <code>\(store.path)</code>, network <b>\(network.name)</b> of \(store.scope.rawValue) scope, \
            \(network.keyBits)-bit keys. Created \(date(store.createdAt)), surveyed \(date(now)).
            """
    }

    private var damage: HTML {
        guard survey.damagedRows > 0 else { return .empty }
        return """
            <p class="warning" role="note"><b>\(Terminal.page.count(survey.damagedRows, "row")) of this store cannot be \
            read in full.</b> What can be read of them is counted; <code>kadstore check</code> names them.</p>
            """
    }

    /// A date, and how long ago that is.
    func date(_ instant: Instant) -> HTML {
        let text = UTC.text(instant)
        return "<time datetime=\"\(text)\">\(Calendar.minute(instant))</time> (\(Span.text(instant, from: now)))"
    }

    struct Section {
        let id: String
        let title: String
        var lead: HTML = .empty
        var body: HTML

        var link: HTML { "<li><a href=\"#\(id)\">\(title)</a></li>" }

        var html: HTML {
            """
            <section id="\(id)" aria-labelledby="\(id)-title">
            <h2 id="\(id)-title">\(title)</h2>
            <p class="lead">\(lead)</p>
            \(body)
            </section>

            """
        }
    }
}
