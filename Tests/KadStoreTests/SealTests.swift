import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

@Suite("A seal")
struct SealTests {
    @Test("is the number that it always was")
    func vectors() {
        let key = Array(0..<32 as Range<UInt8>)
        let text: (String) -> ColumnValue = { .text(Array($0.utf8)) }
        #expect(Seal.of(.session, [.integer(1_700_000_000_000), .integer(1_700_000_006_000)]) == -159_378_627)
        #expect(Seal.of(.agent, [.integer(1), text("kubo/0.32.1")]) == 886_252_604)
        #expect(Seal.of(.visit, [.blob(key), .integer(255), .integer(1_700_000_000_000)]) == 1_289_324_613)
        let member: [ColumnValue] = [
            .integer(1), .integer(0), .integer(0), .integer(0), .blob([]), .null, .integer(-1), .integer(.max), .null,
            .integer(1), .integer(0),
        ]
        #expect(Seal.of(.member, member) == 1_973_105_206)
        let peer: [ColumnValue] = [
            .blob([UInt8](repeating: 7, count: 32)), .blob([0x12, 0x20] + key), .blob([]), .integer(0), .integer(0),
        ]
        #expect(Seal.of(.peer, peer + [ColumnValue](repeating: .null, count: 10)) == 725_462_318)
        let network: [ColumnValue] = [
            .integer(1), text(""), text("ä€\u{1d11e}\0x"), text("sha256"), .integer(256), text("libp2p"),
            .integer(.min),
            .integer(65_536), .blob([UInt8](repeating: 0, count: 32)),
        ]
        #expect(Seal.of(.network, network) == 1_236_549_233)
        #expect(Seal.of(.clock, [.integer(1), .real(1.5), .null, text("b"), .real(-0.0)]) == 161_332_497)
        #expect(
            SealedTable.allCases.map { Seal.of($0, []) } == [
                -1_674_582_540, 376_240_707, -2_083_044_302, -123_649_879, 1_697_423_138, -970_949_630, 1_695_637_718,
                -247_299_757, 717_479_226, 1_340_287_802, 584_952_560, -1_009_126_330, -1_060_777_858, -57_251_781,
                -1_238_744_270, -1_131_707_838, -1_179_521_766, -1_809_526_829,
            ])
    }

    /// A row of every type.
    private static let row: [ColumnValue] = [
        .blob(Array(0..<32 as Range<UInt8>)), .integer(1_700_000_000_000), .null, .text(Array("kubo/0.32.1".utf8)),
        .real(0.25), .integer(0), .blob([]), .integer(-7), .blob(Array(repeating: 0, count: 9)),
    ]

    @Test("is another one for every bit, every place, every type and every table")
    func everyBit() {
        let sound = Seal.of(.provider, Self.row)
        func differs(_ column: Int, _ value: ColumnValue, _ what: String) {
            var row = Self.row
            row[column] = value
            #expect(Seal.of(.provider, row) != sound, "column \(column): \(what)")
        }
        func flip(_ bytes: [UInt8], _ column: Int, _ wrap: ([UInt8]) -> ColumnValue) {
            for bit in 0..<(8 * bytes.count) {
                var bytes = bytes
                bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                differs(column, wrap(bytes), "bit \(bit)")
            }
            differs(column, wrap(bytes + [0]), "a zero more")
            if !bytes.isEmpty { differs(column, wrap(Array(bytes.dropLast())), "a byte less") }
        }
        for (column, value) in Self.row.enumerated() {
            switch value {
            case .null: break
            case .integer(let integer):
                for bit in 0..<64 { differs(column, .integer(integer ^ 1 << Int64(bit)), "bit \(bit)") }
                differs(column, .real(Double(bitPattern: UInt64(bitPattern: integer))), "real")
                differs(column, .blob(withUnsafeBytes(of: integer.littleEndian) { Array($0) }), "blob")
            case .real(let real):
                for bit in 0..<64 {
                    differs(column, .real(Double(bitPattern: real.bitPattern ^ 1 << UInt64(bit))), "bit \(bit)")
                }
            case .text(let bytes):
                flip(bytes, column) { .text($0) }
                differs(column, .blob(bytes), "blob")
            case .blob(let bytes):
                flip(bytes, column) { .blob($0) }
                differs(column, .text(bytes), "text")
            }
            if value != .null { differs(column, .null, "null") }
            for other in 0..<column {
                var row = Self.row
                row.swapAt(column, other)
                #expect(Seal.of(.provider, row) != sound, "columns \(column) and \(other)")
            }
        }
        for table in SealedTable.allCases where table != .provider { #expect(Seal.of(table, Self.row) != sound) }
        // Two changes that take each other back in a sum: one stamp later, another earlier.
        for step: Int64 in [1, 1_000, 1 << 32] {
            let pair = Seal.of(.session, [.integer(5_000), .integer(5_000)])
            #expect(Seal.of(.session, [.integer(5_000 + step), .integer(5_000 - step)]) != pair)
        }
        // A column that a later schema adds, and that says nothing.
        #expect(Seal.of(.provider, Self.row + [.null]) == sound)
    }

    @Test("of 20,000 rows is hardly ever another one's", arguments: Seeds.first(2))
    func randomRows(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var seals: Set<Int64> = []
        let rounds = 20_000
        for _ in 0..<rounds {
            var row = Self.row
            for column in row.indices where Bool.random(using: &generator) {
                let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                row[column] =
                    switch Int.random(in: 0...3, using: &generator) {
                    case 0: .integer(Int64.random(in: .min ... .max, using: &generator))
                    case 1: .real(Double(bitPattern: UInt64.random(in: 0 ... .max, using: &generator)))
                    case 2: .text(bytes)
                    default: .blob(bytes)
                    }
            }
            let seal = Seal.of(.provider, row)
            #expect(Int64(Int32(truncatingIfNeeded: seal)) == seal)
            seals.insert(seal)
        }
        // Of 20,000 draws of 2^32 some 0.05 pairs are alike; and some rows above are.
        #expect(seals.count > rounds - 200)
    }

    @Test("counts the columns of its table as the schema has them, and every table is sealed or known not to be")
    func columns() throws {
        let connection = try Connection(path: "", access: .memory)
        for migration in MigrationFiles.all { try connection.execute(migration) }
        let tables = try connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        var names: Set<String> = []
        while try tables.step() { names.insert(tables.text(0)) }
        for table in SealedTable.allCases {
            #expect(names.remove(table.name) != nil)
            let columns = try connection.prepare(
                "SELECT name, type, \"notnull\" FROM pragma_table_info('\(table.name)')")
            var found: [String] = []
            while try columns.step() {
                if columns.text(0) == "seal" {
                    #expect(columns.text(1) == "INTEGER" && columns.int64(2) == 0)
                    continue
                }
                found.append(columns.text(0))
            }
            #expect(found == table.columns, "\(table)")
            #expect(Int(table.columnCount) == table.columns.count, "\(table)")
        }
        #expect(
            names == [
                "migration", "writer", "tally", "witness", "canary", "lookup_summary", "lookup_total", "holding",
                "crawl", "crawl_total",
            ])
    }

    @Test("is the same bound in any order, read from a row, computed by SQL and from values")
    func oneSeal() throws {
        let connection = try Connection(path: "", access: .memory)
        for migration in MigrationFiles.all { try connection.execute(migration) }
        let id: [UInt8] = [9, 8, 7]
        let key = Key(1, 2, 3, 4)
        let insert = try connection.statement(
            "INSERT INTO identity (number, id, key, label, created_at, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            sealing: .identity)
        // What was bound for a row that was never written does not count.
        insert.bind(4, "nobody")
        let again = try connection.statement(
            "SELECT number, id, key, label, created_at, seal FROM identity WHERE number = ?1")
        insert.reset()
        try insert.bind(5, 77).bind(3, key, width: 32).bind(1, 1).bind(4, "größer\0").bind(2, id).run()
        _ = try again.bind(1, 1).step()
        #expect(again.soundness(of: .identity) == .sealed)
        let values: [ColumnValue] = [
            .integer(1), .blob(id), .blob(key.bytes()), .text(Array("größer\0".utf8)), .integer(77),
        ]
        #expect(again.int64(5) == Seal.of(.identity, values))
        let computed = try connection.prepare("SELECT seal_of(11, number, id, key, label, created_at) FROM identity")
        #expect(try computed.step() && computed.int64(0) == again.int64(5))
        for senseless in ["seal_of()", "seal_of(NULL)", "seal_of(0)", "seal_of(99, 1)", "seal_of(-1, 'x')"] {
            let query = try connection.prepare("SELECT \(senseless)")
            #expect(try query.step() && query.isNull(0))
        }
    }
}
