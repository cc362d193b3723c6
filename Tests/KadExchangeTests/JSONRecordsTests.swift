import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadExchange
@testable import KadStore

@Suite("JSON documents of any size")
struct JSONRecordsTests {
    let scratch = Scratch()

    private enum Piece: Equatable {
        case text(String)
        case rejected(RejectionReason.Kind)
        case fault(RejectionReason.Kind)
    }

    /// All that is found, and where.
    private func read(
        _ document: some Sequence<UInt8>, _ shape: JSONRecords.Shape = .members, of parent: StaticString? = nil
    ) throws -> [(Piece, Place)] {
        let input = try ByteInput.open(path: scratch.write(Array(document), "json-\(UUID().uuidString)"))
        var records = JSONRecords(input, shape, of: parent)
        var found: [(Piece, Place)] = []
        var text = ""
        let item = ImportItem.note(.verified)
        while true {
            var seen: Place?
            let next = try records.next { (bytes, place) throws(RejectionReason) in
                text = String(decoding: bytes, as: UTF8.self)
                seen = place
                if shape == .members {
                    var reader = JSONReader(bytes)
                    try reader.name()
                    try reader.skip()
                    try reader.finish()
                }
                return item
            }
            switch next {
            case nil: return found
            case .note:
                let place = try #require(seen)
                found.append((.text(text.trimmingCharacters(in: .whitespacesAndNewlines)), place))
            case .rejected(let rejection): found.append((.rejected(rejection.reason.kind), rejection.place))
            case .fault(let fault): found.append((.fault(fault.reason.kind), fault.place))
            default: Issue.record("an item of another kind")
            }
            guard found.count < 20_000 else {
                Issue.record("no end")
                return found
            }
        }
    }

    private func pieces(
        _ document: String, _ shape: JSONRecords.Shape = .members, of parent: StaticString? = nil
    ) throws -> [Piece] {
        try read(document.utf8, shape, of: parent).map(\.0)
    }

    @Test("members and elements, at the root or below it, come one by one, whatever stands around them")
    func shapes() throws {
        let members: [Piece] = [.text("\"a\":1"), .text("\"b}\\\"\":{\"c\":[\"]\"]}")]
        #expect(try pieces("{\"a\":1,\"b}\\\"\":{\"c\":[\"]\"]}}") == members)
        #expect(try pieces("[1,[2],{\"x\":\",\"}]", .elements) == [.text("1"), .text("[2]"), .text("{\"x\":\",\"}")])
        #expect(
            try pieces("{\"x\":[1,{}],\"P\" : { \"a\":1 , \"b}\\\"\":{\"c\":[\"]\"]} }, \"y\":\"P\"} \n", of: "P")
                == members)
        for empty in ["{\"P\":null}", "{\"P\":{}}", " {\"x\":1 , \"P\":{} }"] {
            #expect(try pieces(empty, of: "P").isEmpty)
        }
        #expect(try pieces("{}").isEmpty)
        #expect(try pieces("[]", .elements).isEmpty)
    }

    @Test("a document that is cut, broken or of another shape ends in one fault, behind what is good")
    func faults() throws {
        let good = Piece.text("\"a\":1")
        for (document, expected) in [
            ("", [Piece.fault(.syntax)]), ("[1]", [.fault(.syntax)]), ("{\"a\":1", [.fault(.syntax)]),
            ("{\"a\":1,", [good, .fault(.syntax)]), ("{\"a\":1}}", [good, .fault(.integrity)]),
            ("{\"a\":1]", [good, .fault(.syntax)]), ("{\"a\":1,\"b", [good, .fault(.syntax)]), ("x", [.fault(.syntax)]),
        ] {
            #expect(try pieces(document) == expected, "\(document)")
        }
        #expect(try pieces("{\"x\":1}", of: "P") == [.fault(.missing)])
        #expect(try pieces("{\"P\":[1]}", of: "P") == [.fault(.type)])
        #expect(try pieces("{\"P\"}", of: "P") == [.fault(.syntax)])
        #expect(try pieces("{\"P", of: "P") == [.fault(.syntax)])
    }

    @Test("a record that is wrong inside, too long, too deep or not UTF-8 is one record, and has its place")
    func rejected() throws {
        let long = String(repeating: "x", count: JSONRecords.limit)
        let deep = String(repeating: "[", count: 400_000) + String(repeating: "]", count: 400_000)
        let text =
            "{\n\"a\":1,\n\"b\":tru,\n\"c\":\"\(long)\",\n\"d\":\(deep),\n\"e\":\"\u{1}\",\n\"f\":\n[1 2],\n\"g\":2\n}\n"
        var bytes = Array(text.utf8)
        if let control = bytes.firstIndex(of: 1) { bytes[control] = 0xff }
        let found = try read(bytes)
        #expect(
            found.map(\.0) == [
                .text("\"a\":1"), .rejected(.syntax), .rejected(.oversized), .rejected(.syntax), .rejected(.encoding),
                .rejected(.syntax), .text("\"g\":2"),
            ])
        #expect(found.map(\.1) == [2, 3, 4, 5, 6, 8, 9].map { Place.line($0) })
        #expect(try read("{\"a\":1,\"b\":tru}".utf8).map(\.1) == [.offset(1), .offset(7)])
    }

    @Test("no record is lost where the window ends", arguments: Seeds.first(3))
    func windows(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let atoms = ["\"\\\\\"", "\"}]\\\",{[\"", "[]", "{\"k\":[1,2]}", "-1.5e3", "true", "null", "\"ü\u{1f600}\""]
        func value(_ depth: Int) -> String {
            guard depth < 3, Int.random(in: 0..<3, using: &generator) == 0 else {
                return atoms[Int.random(in: 0..<atoms.count, using: &generator)]
            }
            let parts = (0..<Int.random(in: 1..<12, using: &generator)).map { _ in value(depth + 1) }
            return "[" + parts.joined(separator: Bool.random(using: &generator) ? "," : " ,\n") + "]"
        }
        let values = (0..<8_000).map { _ in value(0) }
        let document = "[" + values.joined(separator: ",\r\n") + "]"
        #expect(document.utf8.count > 300 << 10)
        #expect(try read(document.utf8, .elements).map(\.0) == values.map(Piece.text))
    }
}
