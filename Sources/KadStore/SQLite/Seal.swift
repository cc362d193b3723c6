/// The seal of a row: 32 bits over its table and every column, stored with it, so that damage which SQLite cannot see is
/// noticed when the row is read.
///
/// Each column that is not null is hashed by itself, seeded with its place and type, and the hashes are added: columns may
/// come in any order, and a column that a later schema adds changes nothing where it is null. The hash multiplies by an odd
/// constant and folds the 128 bits of the product (as wyhash does): every bit of a word reaches every bit of the result,
/// at one multiplication for eight bytes. A cyclic redundancy check would need its bytes in order and, without special
/// instructions, several times as long; a cryptographic hash ten times as long, for a promise that means nothing here:
/// whoever can write the file can write the seal.
///
/// Damage goes unnoticed with a chance of 2^-32. `Migrations/FILE.md` says the same for other programs; a test holds the
/// numbers, for they may never change.
struct Seal {
    /// How SQLite stores a column, by SQLite's numbers. Null has none: it adds nothing.
    private enum Kind: UInt64 {
        case integer = 1
        case real = 2
        case text = 3
        case blob = 4
    }

    private let table: SealedTable
    private var sum: UInt64 = 0

    init(_ table: SealedTable) { self.table = table }

    /// What is stored.
    var value: Int64 {
        let mixed = Self.mix(Self.mix(sum &+ UInt64(table.rawValue) &* Self.seed))
        return Int64(Int32(truncatingIfNeeded: mixed ^ mixed >> 32))
    }

    // MARK: Columns, from 0

    @inline(__always)
    mutating func add(_ column: Int32, integer: Int64) {
        addWord(column, .integer, UInt64(bitPattern: integer))
    }

    mutating func add(_ column: Int32, real: Double) {
        addWord(column, .real, real.bitPattern)
    }

    mutating func add(_ column: Int32, text: UnsafeRawBufferPointer) { addBytes(column, .text, text) }

    mutating func add(_ column: Int32, blob: UnsafeRawBufferPointer) { addBytes(column, .blob, blob) }

    // MARK: The hash

    /// 2^64 divided by the golden ratio.
    private static let multiplier: UInt64 = 0x9e37_79b9_7f4a_7c15
    /// Any odd number without a pattern.
    private static let seed: UInt64 = 0xd6e8_feb8_6659_fd93

    @inline(__always)
    private static func mix(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: multiplier)
        return product.high ^ product.low
    }

    @inline(__always)
    private static func start(_ column: Int32, _ kind: Kind) -> UInt64 {
        (UInt64(UInt32(bitPattern: column &+ 1)) << 3 | kind.rawValue) &* seed
    }

    @inline(__always)
    private mutating func addWord(_ column: Int32, _ kind: Kind, _ word: UInt64) {
        sum &+= Self.mix(Self.mix(Self.start(column, kind) ^ word) ^ 8)
    }

    private mutating func addBytes(_ column: Int32, _ kind: Kind, _ bytes: UnsafeRawBufferPointer) {
        var hash = Self.start(column, kind)
        var offset = 0
        while bytes.count - offset >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            hash = Self.mix(hash ^ word)
            offset += 8
        }
        if offset < bytes.count {
            var word: UInt64 = 0
            for place in stride(from: bytes.count - 1, through: offset, by: -1) {
                word = word << 8 | UInt64(bytes[place])
            }
            hash = Self.mix(hash ^ word)
        }
        sum &+= Self.mix(hash ^ UInt64(truncatingIfNeeded: bytes.count))
    }
}

/// A column's value, as it stands in a row.
enum ColumnValue: Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text([UInt8])
    case blob([UInt8])
}

extension Seal {
    /// The seal of a row.
    ///
    /// - Parameter values: all columns in the order of ``SealedTable/columns``, without the seal itself. Text is UTF-8.
    static func of(_ table: SealedTable, _ values: some Sequence<ColumnValue>) -> Int64 {
        var seal = Seal(table)
        var column: Int32 = 0
        for value in values {
            switch value {
            case .null: break
            case .integer(let integer): seal.add(column, integer: integer)
            case .real(let real): seal.add(column, real: real)
            case .text(let bytes): bytes.withUnsafeBytes { seal.add(column, text: $0) }
            case .blob(let bytes): bytes.withUnsafeBytes { seal.add(column, blob: $0) }
            }
            column &+= 1
        }
        return seal.value
    }
}
