import Kademlia
import Multiformats

@testable import KadStore

/// What a store should hold of values and providers: lists that are searched and sorted whole.
struct ModelValues: Equatable {
    var values: [StoredValue] = []
    var providers: [StoredProvider] = []
    var limits: HoldingLimits

    init(limits: HoldingLimits) { self.limits = limits }

    mutating func apply(_ event: StoreEvent) {
        switch event {
        case .valueStored(var value):
            let old = values.first { $0.key == value.key }
            if old?.isOwn == true, !value.isOwn { return }
            values.removeAll { $0.key == value.key }
            if !value.isOwn { value.expiresAt = min(value.expiresAt, value.receivedAt.advanced(byMilliseconds: week)) }
            values.append(value)
        case .valueForgotten(let key): values.removeAll { $0.key == key }
        case .providerStored(var provider):
            let old = providers.first { $0.key == provider.key && $0.peer == provider.peer }
            if old?.isOwn == true, !provider.isOwn { return }
            providers.removeAll { $0.key == provider.key && $0.peer == provider.peer }
            if !provider.isOwn {
                provider.expiresAt = min(provider.expiresAt, provider.receivedAt.advanced(byMilliseconds: week))
            }
            provider.addresses = Array(provider.addresses.prefix(16))
            providers.append(provider)
        case .providerForgotten(let key, let peer): providers.removeAll { $0.key == key && $0.peer.key == peer }
        default: break
        }
    }

    private var week: Int64 { 7 * 24 * 3_600 * 1_000 }

    /// As at a commit: of each key the newest providers, of all what expires last.
    mutating func keepToLimits() {
        for key in Set(providers.map(\.key)) {
            let surplus = Set(newest(of: key).filter { !$0.isOwn }.dropFirst(limits.providersPerKey).map(\.peer))
            providers.removeAll { $0.key == key && !$0.isOwn && surplus.contains($0.peer) }
        }
        while true {
            let others = values.filter { !$0.isOwn }
            let bytes = others.reduce(0) { $0 + $1.key.count + $1.value.count }
            guard others.count > limits.values || bytes > limits.valueBytes else { break }
            let soonest = others.min {
                ($0.expiresAt.milliseconds, text($0.key)) < ($1.expiresAt.milliseconds, text($1.key))
            }
            values.removeAll { $0.key == soonest?.key }
        }
        while true {
            let others = providers.filter { !$0.isOwn }
            guard others.count > limits.providers else { break }
            let soonest = others.min {
                ($0.expiresAt.milliseconds, text($0.key), $0.peer.key) < (
                    $1.expiresAt.milliseconds, text($1.key), $1.peer.key
                )
            }
            providers.removeAll { $0 == soonest }
        }
    }

    /// What has expired goes; what is stamped further ahead than anything may live expires as if it had just come, at once
    /// where it was to live for no time.
    ///
    /// - Returns: what a store should report.
    mutating func sweep(at now: Instant) -> SweepReport {
        var report = SweepReport()
        func stamped<Row: Expiring>(_ row: Row) -> Row {
            guard !row.isOwn, row.expiresAt.milliseconds - now.milliseconds > week else { return row }
            let lifetime = row.expiresAt.milliseconds - row.receivedAt.milliseconds
            var row = row
            row.receivedAt = now
            row.expiresAt = now.advanced(byMilliseconds: max(0, min(lifetime, week)))
            report.restamped += 1
            return row
        }
        values = values.map(stamped)
        providers = providers.map(stamped)
        report.values = values.count { !$0.isOwn && $0.expiresAt <= now }
        report.providers = providers.count { !$0.isOwn && $0.expiresAt <= now }
        values.removeAll { !$0.isOwn && $0.expiresAt <= now }
        providers.removeAll { !$0.isOwn && $0.expiresAt <= now }
        return report
    }

    func expired(at end: Instant?) -> SweepReport {
        var report = SweepReport()
        guard let end else { return report }
        report.values = values.count { !$0.isOwn && $0.expiresAt <= end }
        report.providers = providers.count { !$0.isOwn && $0.expiresAt <= end }
        return report
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func newest(of key: [UInt8]) -> [StoredProvider] {
        providers.filter { $0.key == key }.sorted { ($1.receivedAt, $0.peer.key) < ($0.receivedAt, $1.peer.key) }
    }

    func value(_ key: [UInt8], at now: Instant) -> StoredValue? {
        values.first { $0.key == key && ($0.isOwn || $0.expiresAt > now) }
    }

    func providers(of key: [UInt8], at now: Instant) -> [StoredProvider] {
        let all = newest(of: key)
        let surplus = Set(all.filter { !$0.isOwn }.dropFirst(limits.providersPerKey).map(\.peer))
        return all.filter { $0.isOwn || $0.expiresAt > now && !surplus.contains($0.peer) }
    }

    var ownValues: [StoredValue] { values.filter(\.isOwn).sorted { text($0.key) < text($1.key) } }
    var ownProviders: [StoredProvider] {
        providers.filter(\.isOwn).sorted { (text($0.key), $0.peer.key) < (text($1.key), $1.peer.key) }
    }

    var holdings: Holdings {
        var holdings = Holdings()
        for value in values {
            holdings[.value, isOwn: value.isOwn] += .row(Int64(value.key.count + value.value.count), hasCome: true)
        }
        for provider in providers {
            // Two bytes before each address: its length and its flags.
            let addresses = provider.addresses.reduce(0) { $0 + $1.bytes.count + 2 }
            let bytes = provider.key.count + provider.peer.id.bytes.count + addresses
            holdings[.provider, isOwn: provider.isOwn] += .row(Int64(bytes), hasCome: true)
        }
        return holdings
    }
}
