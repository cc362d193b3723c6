/// `/ipfs/kad/1.0.0`: its name, the rules that implementations share, and how much of a message we are ready to take.
enum KadProtocol {
    static let id = "/ipfs/kad/1.0.0"

    // MARK: What others hold to (go-libp2p-kad-dht, py-libp2p)

    /// The most bytes of a message that anybody reads. What states more is refused before its body is read.
    static let messageLimit = 4 << 20
    /// The most bytes of a value.
    static let valueLimit = 1 << 20
    /// The most bytes of a key of a value, or of a key that providers are asked for.
    static let keyLimit = 128
    /// The most bytes of a key that somebody says to provide.
    static let providerKeyLimit = 80
    /// The lengths of a FIND_NODE key that is no multihash, in bytes: some implementations send CIDs of peers.
    static let foreignTargetCounts = 2...50

    // MARK: What we take

    /// The most bytes of a request: the largest value, its key twice, and a signed record of the sender. What is longer could
    /// only be refused after it was read.
    static let requestLimit = valueLimit + 128 * 1024
    /// The most bytes of an answer that carries peers: 21 of them, with all their addresses and signed records, take about 40 KiB.
    static let peersAnswerLimit = 256 * 1024
    /// The most bytes of an answer that carries providers: py-libp2p sends all that it knows.
    static let providersAnswerLimit = 1 << 20
    /// The most bytes of an answer that carries a value, and peers.
    static let valueAnswerLimit = valueLimit + peersAnswerLimit
    /// What an echo may have more than what was sent: the sender's signed record, and the time.
    static let echoSlack = 64 * 1024

    /// The most near peers of a message that are read. Whether so many are believed is the node's to decide.
    static let closerLimit = 64
    /// The most providers of a message that are read.
    static let providerLimit = 1_024
    /// The most bytes of one peer in a message: an id, dozens of addresses, a signed record. Longer ones are passed over.
    static let peerByteLimit = 16 * 1024
    /// The most addresses of one peer that are read.
    static let addressLimit = 64
}
