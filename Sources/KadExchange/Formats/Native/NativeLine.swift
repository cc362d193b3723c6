import KadStore
import Kademlia
import Multiformats

/// A JSON object in the making, at the end of a buffer.
struct NativeLine {
    var bytes: [UInt8] = []
    private var needsComma = false

    mutating func object(_ body: (inout NativeLine) -> Void) {
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }

    mutating func object(_ name: String, _ body: (inout NativeLine) -> Void) {
        begin(name)
        object(body)
    }

    mutating func array<Element>(
        _ name: String, _ elements: [Element], _ body: (inout NativeLine, Element) -> Void
    ) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            body(&self, element)
        }
        bytes.append(UInt8(ascii: "]"))
        needsComma = true
    }

    mutating func text(_ text: String) { JSONWriter.append(text, to: &bytes) }

    mutating func member(_ name: String, _ value: String?) {
        guard let value else { return }
        begin(name)
        text(value)
    }

    mutating func member(_ name: String, _ value: some BinaryInteger) {
        begin(name)
        Decimal.append(value, to: &bytes)
    }

    mutating func member(_ name: String, nonzero value: some BinaryInteger) {
        if value != 0 { member(name, value) }
    }

    mutating func member(_ name: String, _ value: Instant?) {
        if let value { member(name, value.milliseconds) }
    }

    mutating func member(_ name: String, _ key: Key, _ network: Network) {
        quoted(name) { bytes in
            key.withBytes { for byte in $0.prefix(network.keyByteCount) { Self.append(hex: byte, to: &bytes) } }
        }
    }

    mutating func member(_ name: String, _ id: PeerID, _ encoding: PeerIDEncoding) {
        quoted(name) { NativeID.append(id, encoding, to: &$0) }
    }

    mutating func member(_ name: String, _ address: Multiaddr) {
        begin(name)
        let start = bytes.count
        bytes.append(UInt8(ascii: "\""))
        address.append(to: &bytes)
        // Paths and names in addresses may need escapes.
        if bytes[(start + 1)...].allSatisfy({
            0x20..<0x7f ~= $0 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }) {
            bytes.append(UInt8(ascii: "\""))
        } else {
            bytes.removeSubrange(start...)
            text(address.description)
        }
    }

    mutating func member(_ name: String, _ group: NetworkGroup?) {
        if let group { member(name, Hex.encode(group.bytes)) }
    }

    /// A member that is there when it is true.
    mutating func flag(_ name: String) {
        begin(name)
        bytes.append(contentsOf: "true".utf8)
    }

    private mutating func quoted(_ name: String, _ body: (inout [UInt8]) -> Void) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        body(&bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Names are ours: plain ASCII.
    private mutating func begin(_ name: String) {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = true
    }

    private static func append(hex byte: UInt8, to bytes: inout [UInt8]) {
        for nibble in [byte >> 4, byte & 15] {
            bytes.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
    }
}

extension NativeLine {
    mutating func members(_ entry: AddressRecord) {
        member("address", entry.address)
        member("firstSeenMs", entry.firstSeen)
        member("lastSeenMs", entry.lastSeen)
        member("lastOkMs", entry.lastOK)
        member("failures", nonzero: entry.failures)
        member("source", entry.source)
    }

    mutating func members(_ failure: FailureRecord) {
        if let address = failure.address { member("address", address) }
        member("class", failure.failureClass.name)
        member("count", failure.count)
        member("firstAtMs", failure.firstAt)
        member("lastAtMs", failure.lastAt)
    }

    mutating func members(_ backoff: BackoffState) {
        member("streakMilli", backoff.streakMilli)
        member("streakAtMs", backoff.streakAt)
        member("class", backoff.lastClass.name)
        member("notBeforeMs", backoff.notBefore)
        if backoff.notBefore != nil { member("waitMs", nonzero: backoff.waitMilliseconds) }
        member("outcomes", nonzero: backoff.outcomes)
        member("outcomeCount", nonzero: backoff.outcomeCount)
        member("breaker", nonzero: backoff.breaker.rawValue)
        member("openings", nonzero: backoff.openings)
        member("openedAtMs", backoff.openedAt)
        member("trials", nonzero: backoff.trials)
    }

    mutating func members(_ contact: Contact, _ network: Network) {
        member("key", contact.key, network)
        member("group", contact.networkGroup)
        member("firstSeenMs", contact.firstSeen)
        member("lastSeenMs", contact.lastSeen)
        member("lastOkMs", contact.lastOK)
        if contact.isVerified { member("verified", 1) }
        member("failures", nonzero: contact.consecutiveFailures)
    }
    mutating func members(_ held: OutageGuard.Held, _ network: Network) {
        member("held", held.key, network)
        member("class", held.failureClass.name)
        member("atMs", held.at)
        member("group", held.group)
        if held.isWitnessed { member("witnessed", 1) }
        member("count", held.count)
        member("redialledAtMs", held.redialledAt)
    }

    mutating func members(_ summary: LookupSummary) {
        member("lookup", summary.finishedAt)
        member("reason", summary.reason.name)
        if let identity = summary.identity { member("identity", identity) }
        member("durationMs", nonzero: summary.milliseconds)
        for (name, path) in LookupSummary.members { member(name.description, nonzero: summary[keyPath: path]) }
    }

    mutating func members(_ totals: LookupTotals) {
        member("lookupTotals", totals.reason.name)
        member("durationMs", nonzero: totals.milliseconds)
        for (name, path) in LookupTotals.members { member(name.description, nonzero: totals[keyPath: path]) }
    }
}
