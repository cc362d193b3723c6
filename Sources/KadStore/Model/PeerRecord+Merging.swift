import Kademlia
import Multiformats

/// How observations change a record. One implementation serves the writer, which applies them to rows, and readers,
/// which apply queued ones to what they read.
extension PeerRecord {
    /// Someone told of the peer.
    mutating func hear(_ addresses: [Multiaddr], source: String?, at now: Instant) {
        see(at: now)
        for address in addresses.prefix(AddressRecord.maximumPerPeer) {
            touch(address, source: source, at: now) { _ in }
        }
        arrangeAddresses()
    }

    /// The peer answered.
    mutating func answer(from address: Multiaddr?, rtt sample: Int64?, at now: Instant) {
        see(at: now)
        lastOK = max(lastOK ?? now, now)
        successes = successes.addingSaturated(1)
        if let sample {
            if rtt == nil { rtt = RTTEstimate(first: sample) } else { rtt?.observe(sample) }
        }
        if let address {
            touch(address, source: nil, at: now) {
                $0.lastOK = max($0.lastOK ?? now, now)
                $0.failures = 0
            }
            arrangeAddresses()
        }
    }

    /// The peer told what it is and speaks.
    mutating func identify(agent: String?, protocols: [String], at now: Instant) {
        see(at: now)
        self.agent = agent.map(Self.bounded)
        self.protocols = Self.arranged(protocols)
    }

    /// A dial or request failed. History only: what it means for the next dial is the failure memory's to decide.
    mutating func fail(at address: Multiaddr?, _ failureClass: FailureClass, at now: Instant) {
        if let address, let index = addresses.firstIndex(where: { $0.address == address }) {
            addresses[index].failures = addresses[index].failures.addingSaturated(1)
            arrangeAddresses()
        }
        note(FailureRecord(address: address, failureClass: failureClass, count: 1, firstAt: now, lastAt: now)) {
            $0.count = $0.count.addingSaturated(1)
        }
    }

    /// Takes in what a foreign file says: never more than max(last ok), min(first seen), max(counters), so that taking it
    /// in twice changes nothing.
    mutating func merge(_ foreign: ImportedPeer, trustingHistory: Bool) {
        if let firstSeen = foreign.firstSeen { self.firstSeen = min(self.firstSeen, firstSeen) }
        if let lastSeen = foreign.lastSeen { see(at: lastSeen) }
        for entry in foreign.addresses {
            let firstHeard = entry.firstSeen ?? foreign.firstSeen ?? firstSeen
            touch(entry.address, source: foreign.source, at: entry.lastSeen ?? foreign.lastSeen ?? firstHeard) {
                $0.firstSeen = min($0.firstSeen, firstHeard)
                guard trustingHistory else { return }
                $0.failures = max($0.failures, min(entry.failures, Self.maximumCount))
                if let lastOK = entry.lastOK { $0.lastOK = max($0.lastOK ?? lastOK, lastOK) }
            }
        }
        arrangeAddresses()
        if agent == nil { agent = foreign.agent.map(Self.bounded) }
        if protocols.isEmpty { protocols = Self.arranged(foreign.protocols) }
        if source == nil { source = foreign.source }
        for failure in foreign.failures {
            note(failure) { $0.count = max($0.count, min(failure.count, Self.maximumCount)) }
        }
        if trustingHistory {
            if let lastOK = foreign.lastOK { self.lastOK = max(self.lastOK ?? lastOK, lastOK) }
            successes = max(successes, min(foreign.successes, Self.maximumCount))
            daysSeen |= foreign.lastSeen == lastSeen ? foreign.daysSeen : 0
            if rtt == nil { rtt = foreign.rtt }
        }
    }
}

extension PeerRecord {
    /// No honest counter comes near it; a foreign one that does is cut to it.
    static let maximumCount = 1_000_000_000

    /// Moves `lastSeen` forward and shifts the days with it; an older sighting sets its day's bit.
    private mutating func see(at now: Instant) {
        let day: Int64 = 86_400_000
        let days = (now.milliseconds / day).subtractingReportingOverflow(lastSeen.milliseconds / day).partialValue
        if days >= 0 {
            daysSeen = (days < 32 ? daysSeen << UInt32(days) : 0) | 1
        } else if days > -32 {
            daysSeen |= 1 << UInt32(-days)
        }
        lastSeen = max(lastSeen, now)
        firstSeen = min(firstSeen, now)
    }

    private mutating func touch(
        _ address: Multiaddr, source: String?, at now: Instant, _ change: (inout AddressRecord) -> Void
    ) {
        let index: Int
        if let known = addresses.firstIndex(where: { $0.address == address }) {
            index = known
            addresses[index].lastSeen = max(addresses[index].lastSeen, now)
        } else {
            index = addresses.count
            addresses.append(
                AddressRecord(address: address, firstSeen: now, lastSeen: now, source: source ?? self.source))
        }
        change(&addresses[index])
    }

    private mutating func arrangeAddresses() {
        guard addresses.count > 1 else { return }
        addresses.sort(by: AddressRecord.dialOrder)
        if addresses.count > AddressRecord.maximumPerPeer {
            addresses.removeLast(addresses.count - AddressRecord.maximumPerPeer)
        }
        var bytes = addresses.reduce(0) { $0 + $1.address.bytes.count }
        // The best one stays, however long it is.
        while bytes > AddressRecord.maximumBytesPerPeer, addresses.count > 1 {
            bytes -= addresses.removeLast().address.bytes.count
        }
    }

    private mutating func note(_ failure: FailureRecord, _ change: (inout FailureRecord) -> Void) {
        var failure = failure
        failure.firstAt = min(failure.firstAt, failure.lastAt)
        var low = 0
        while low < failures.count, Self.failureOrder(failures[low], failure) { low += 1 }
        if low < failures.count, !Self.failureOrder(failure, failures[low]) {
            change(&failures[low])
            failures[low].firstAt = min(failures[low].firstAt, failure.firstAt)
            failures[low].lastAt = max(failures[low].lastAt, failure.lastAt)
        } else if failures.count < Self.maximumFailureRows {
            var first = failure
            first.count = min(failure.count, Self.maximumCount)
            failures.insert(first, at: low)
        }
    }

    /// Addresses and classes multiply: beyond this, new pairs are not recorded.
    static let maximumFailureRows = 256

    static func failureOrder(_ left: FailureRecord, _ right: FailureRecord) -> Bool {
        switch (left.address, right.address) {
        case (nil, nil): break
        case (nil, _): return true
        case (_, nil): return false
        case (let leftAddress?, let rightAddress?):
            if leftAddress != rightAddress { return leftAddress < rightAddress }
        }
        return left.failureClass.rawValue < right.failureClass.rawValue
    }

    /// A foreign string, cut to what is kept.
    static func bounded(_ name: String) -> String {
        guard name.utf8.count > maximumNameLength else { return name }
        var cut = ""
        for character in name.unicodeScalars {
            guard cut.utf8.count + character.utf8.count <= maximumNameLength else { break }
            cut.unicodeScalars.append(character)
        }
        return cut
    }

    static func arranged(_ protocols: [String]) -> [String] {
        // A newline would split the name when it is read again, and an empty one would be gone: no protocol has one or is one.
        func isKept(_ name: String) -> Bool { !name.isEmpty && !name.utf8.contains(10) }
        func isFine(_ name: String) -> Bool { name.utf8.count <= maximumNameLength && isKept(name) }
        let isArranged = protocols.indices.allSatisfy { index in
            let name = protocols[index]
            return isFine(name) && (index == 0 || ExactString(protocols[index - 1]) < ExactString(name))
        }
        let bytes = protocols.reduce(0) { $0 + $1.utf8.count }
        if isArranged, protocols.count <= maximumProtocols, bytes <= maximumProtocolBytes { return protocols }
        var left = maximumProtocolBytes
        let names = protocols.prefix(maximumProtocols).lazy.filter(isKept).map(bounded)
        return Set(names.map(ExactString.init)).sorted().map(\.text).filter { name in
            left -= name.utf8.count
            return left >= 0
        }
    }
}

extension Unicode.Scalar {
    fileprivate var utf8: String.UTF8View { String(self).utf8 }
}
