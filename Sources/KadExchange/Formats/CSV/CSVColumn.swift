/// The columns of our CSV. On import they come in any order, all but `id` may be missing, and others are ignored.
///
/// The row is of one address; what is the peer's alone repeats on each of its rows. Names of protocols are separated by
/// spaces; a space in one is written `%20`, a percent sign `%25`. An id, agent or source may begin with a character that a
/// spreadsheet takes for a formula: such fields are quoted, which marks them as text for CSV, not for every spreadsheet.
enum CSVColumn: String, CaseIterable {
    /// The id, as the network writes it.
    case id
    /// A multiaddr; empty for a peer without addresses.
    case address
    case firstSeen = "first_seen_ms"
    case lastSeen = "last_seen_ms"
    /// When it last answered; counts with trusted history only.
    case lastOK = "last_ok_ms"
    /// Answers in all; counts with trusted history only.
    case successes
    /// Failures in all, of whatever class. Not read: without classes they could not be weighed.
    case failures
    /// The smoothed round-trip time; counts with trusted history only.
    case rtt = "rtt_us"
    case addressLastOK = "address_last_ok_ms"
    /// Failures in a row at the address; counts with trusted history only.
    case addressFailures = "address_failures"
    case agent
    case protocols
    /// Who first told of the peer. Not read: this store heard of it from the file.
    case source
    /// The name of the network: a row of another is refused.
    case network
    /// The hash of the id in hexadecimal. Read and checked when it is there, not written.
    case key

    static let written = allCases.filter { $0 != .key }
}
