import Foundation
import Testing

/// A claim without a test rots.
@Suite("SECURITY.md")
struct SecurityDocumentTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct Claim {
        var text: String
        /// Names as `File.swift` "display name".
        var tests: [(file: String, name: String)]
    }

    /// The claims of a document: the items of the lists under "## What is promised", with the tests that they name.
    static func claims(_ document: String) throws -> [Claim] {
        let start = try #require(document.range(of: "## What is promised"))
        let rest = document[start.upperBound...]
        let section = rest.range(of: "\n## ").map { rest[..<$0.lowerBound] } ?? rest
        return section.split(separator: "\n- ").dropFirst().map { item in
            // A heading may follow the last item of a list.
            let text = item.split(separator: "\n\n", maxSplits: 1)[0].split(whereSeparator: \.isWhitespace)
                .joined(separator: " ")
            let tests = text.matches(of: /`(\w+\.swift)` "([^"]+)"/).map { (String($0.output.1), String($0.output.2)) }
            return Claim(text: text, tests: tests)
        }
    }

    /// The text of every file of tests, by its name.
    private static func tests() throws -> [String: String] {
        let folder = root.appendingPathComponent("Tests")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var found: [String: String] = [:]
        for case let file as URL in files where file.pathExtension == "swift" {
            // Targets may have files of one name.
            found[file.lastPathComponent, default: ""] += try String(contentsOf: file, encoding: .utf8)
        }
        return found
    }

    @Test("every claim names a test, and every test that is named exists")
    func claims() throws {
        let document = try String(contentsOf: Self.root.appendingPathComponent("SECURITY.md"), encoding: .utf8)
        let claims = try Self.claims(document)
        #expect(claims.count >= 20)
        let tests = try Self.tests()
        for claim in claims {
            #expect(!claim.tests.isEmpty, "no test holds: \(claim.text)")
            for test in claim.tests {
                let source = try #require(tests[test.file], "\(test.file)")
                // A name that is too long for a line stands on one of its own.
                let flat = source.replacing(/@Test\(\s*/, with: "@Test(")
                #expect(flat.contains("@Test(\"\(test.name)\""), "\(test.file) has no test \"\(test.name)\"")
            }
        }
    }

    @Test("finds a claim that no test holds")
    func detects() throws {
        let claims = try Self.claims(
            """
            # Title
            ## What is promised
            ### Files
            - One thing,
              in two lines. `ATests.swift` "a name",
              `BTests.swift` "another"
            - Another thing.

            ### More
            - A third. `CTests.swift` "one"
            ## The end
            - not a claim
            """)
        #expect(claims.map(\.tests.count) == [2, 0, 1])
        #expect(claims[0].tests[1].name == "another" && claims[0].tests[0].file == "ATests.swift")
    }
}
