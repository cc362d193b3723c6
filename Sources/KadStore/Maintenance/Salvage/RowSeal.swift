/// What a row says of itself: whether its bytes are those that were written.
enum RowSeal {
    enum Verdict {
        case sound
        case broken
        /// Its table has none, or it was written before there were any.
        case unsealed
    }

    /// - Parameter row: its columns in the order of the table, which is the one that seals count them in; the seal last.
    static func verdict(_ row: [RawValue], in table: TableLayout) -> Verdict {
        guard table.columns.last?.name == "seal", let sealed = table.seal, let stored = row.last?.integer else {
            return .unsealed
        }
        var seal = Seal(sealed)
        for (place, value) in row.dropLast().enumerated() {
            let column = Int32(clamping: place)
            switch value {
            case .null: break
            case .integer(let number): seal.add(column, integer: number)
            case .real(let bits): seal.add(column, real: Double(bitPattern: bits))
            case .text(let bytes): bytes.withUnsafeBytes { seal.add(column, text: $0) }
            case .blob(let bytes): bytes.withUnsafeBytes { seal.add(column, blob: $0) }
            }
        }
        return seal.value == stored ? .sound : .broken
    }
}
