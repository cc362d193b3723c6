/// What a row says of itself: whether its bytes are those that were written.
enum RowSeal {
    enum Verdict {
        case sound
        case broken
        /// Its table has none, or it was written before there were any.
        case unsealed
    }

    /// - Parameter row: its columns in the order of the table.
    static func verdict(_ row: [RawValue], in table: TableLayout) -> Verdict {
        .unsealed
    }
}
