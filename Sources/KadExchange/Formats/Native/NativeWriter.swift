import Crypto
import KadStore
import Kademlia
import Multiformats

/// Writes the native format: a member for every field that is not empty, always in the same order, so that equal stores
/// give equal bytes.
final class NativeWriter: FormatWriter {
    private let context: ExportContext
    private var counts = NativeCounts()
    private var hash = SHA256()

    init(_ context: ExportContext) { self.context = context }

    var carriesTables: Bool { true }

    func begin(_ output: inout [UInt8]) {
        line(&output) { line in
            line.member("kadstore", "peers")
            line.member("schema", NativeHeader.schema)
            line.member("network", context.network.name)
            line.member("scope", context.scope.rawValue)
            line.member("keyDerivation", context.network.derivation.rawValue)
            line.member("keyBits", context.network.keyBits)
            line.member("idText", context.network.idEncoding.rawValue)
            guard let clock = context.clock else { return }
            line.object("clock") { line in
                line.member("highWaterMs", clock.highWater)
                line.member("onlineMs", nonzero: clock.onlineMilliseconds)
                line.member("bootId", clock.bootID)
                line.member("bootedAtMs", clock.bootedAt)
            }
        }
    }

    func append(_ peer: PeerRecord, to output: inout [UInt8]) {
        counts.peers += 1
        line(&output) { line in
            line.member("peer", peer.id, context.network.idEncoding)
            line.member("key", peer.key, context.network)
            line.member("firstSeenMs", peer.firstSeen)
            line.member("lastSeenMs", peer.lastSeen)
            line.member("lastOkMs", peer.lastOK)
            line.member("successes", nonzero: peer.successes)
            line.member("daysSeen", nonzero: peer.daysSeen)
            if let rtt = peer.rtt {
                line.member("rttUs", rtt.smoothed)
                line.member("rttVarUs", rtt.variation)
            }
            line.member("agent", peer.agent)
            if !peer.protocols.isEmpty {
                line.array("protocols", peer.protocols) { line, name in line.text(name) }
            }
            line.member("source", peer.source)
            if !peer.addresses.isEmpty {
                line.array("addresses", peer.addresses) { line, entry in line.object { $0.members(entry) } }
            }
            if !peer.failures.isEmpty {
                line.array("failures", peer.failures) { line, failure in line.object { $0.members(failure) } }
            }
            if let backoff = peer.backoff { line.object("backoff") { $0.members(backoff) } }
        }
    }

    func append(_ candidate: Candidate, to output: inout [UInt8]) {
        counts.candidates += 1
        line(&output) { line in
            line.member("candidate", candidate.address.description)
            line.member("firstSeenMs", candidate.firstSeen)
            line.member("lastSeenMs", candidate.lastSeen)
            line.member("lastTriedMs", candidate.lastTried)
            line.member("tries", nonzero: candidate.tries)
            line.member("source", candidate.source)
        }
    }

    func append(_ tombstone: Tombstone, to output: inout [UInt8]) {
        counts.tombstones += 1
        line(&output) { line in
            line.member("tombstone", tombstone.key, context.network)
            line.member("droppedAtMs", tombstone.droppedAt)
            line.member("streakMilli", nonzero: tombstone.streakMilli)
            if tombstone.lastClass != .timeout { line.member("class", tombstone.lastClass.name) }
            line.member("notBeforeMs", tombstone.notBefore)
            line.member("waitMs", nonzero: tombstone.waitMilliseconds)
        }
    }

    func append(_ identity: Identity, to output: inout [UInt8]) {
        counts.identities += 1
        line(&output) { line in
            line.member("identity", identity.number)
            line.member("id", identity.peer.id, context.network.idEncoding)
            line.member("key", identity.peer.key, context.network)
            line.member("label", identity.label)
            line.member("createdAtMs", identity.createdAt)
        }
    }

    func append(_ bucket: BucketSnapshot, identity: Identity, to output: inout [UInt8]) {
        counts.buckets += 1
        line(&output) { line in
            line.member("bucket", bucket.index)
            line.member("identity", identity.number)
            line.member("refreshedAtMs", bucket.refreshedAt)
            for (name, contacts) in [("live", bucket.live), ("replacements", bucket.replacements)]
            where !contacts.isEmpty {
                line.array(name, contacts) { line, contact in
                    line.object { $0.members(contact, context.network) }
                }
            }
        }
    }

    func append(_ held: OutageGuard.Held, to output: inout [UInt8]) {
        counts.held += 1
        line(&output) { $0.members(held, context.network) }
    }

    func append(_ witnesses: [OutageGuard.Witness], canaryAt: Instant?, to output: inout [UInt8]) {
        guard !witnesses.isEmpty || canaryAt != nil else { return }
        line(&output) { line in
            line.array("witnesses", witnesses) { line, witness in
                line.object { line in
                    line.member("group", witness.group)
                    line.member("atMs", witness.at)
                    line.member("sinceMs", witness.since)
                    if witness.spacing != .max { line.member("spacingUs", witness.spacing) }
                }
            }
            line.member("canaryAtMs", canaryAt)
        }
    }

    func append(_ session: OnlineTime.Session, to output: inout [UInt8]) {
        counts.sessions += 1
        line(&output) { line in
            line.member("session", session.start)
            line.member("endedAtMs", session.end)
        }
    }

    func append(_ lookups: LookupHistory, to output: inout [UInt8]) {
        counts.lookups += Int64(lookups.recent.count)
        for summary in lookups.recent { line(&output) { $0.members(summary) } }
        for totals in lookups.totals { line(&output) { $0.members(totals) } }
    }

    func end(_ output: inout [UInt8]) {
        let digest = Hex.encode(hash.finalize())
        line(&output) { line in
            line.object("end") { line in
                line.member("peers", counts.peers)
                line.member("candidates", counts.candidates)
                line.member("tombstones", counts.tombstones)
                line.member("identities", counts.identities)
                line.member("buckets", counts.buckets)
                line.member("held", nonzero: counts.held)
                line.member("sessions", nonzero: counts.sessions)
                line.member("lookups", nonzero: counts.lookups)
            }
            line.member("sha256", digest)
        }
    }

    private func line(_ output: inout [UInt8], _ body: (inout NativeLine) -> Void) {
        let start = output.count
        // Swapped, so that the buffer has one owner at a time and is never copied.
        var line = NativeLine()
        swap(&line.bytes, &output)
        line.object(body)
        swap(&line.bytes, &output)
        output.append(UInt8(ascii: "\n"))
        output.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }
}
