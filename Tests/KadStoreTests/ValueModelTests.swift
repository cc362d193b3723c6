import Foundation
import Kademlia
import Multiformats
import TestSupport
import Testing

@testable import KadStore

/// What a store should hold, by the simplest means: lists that are searched and sorted whole.
private struct ValueModel {
    var values: [StoredValue] = []
    var providers: [StoredProvider] = []
    let limits: HoldingLimits

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

    mutating func sweep(at now: Instant) {
        values.removeAll { !$0.isOwn && $0.expiresAt <= now }
        providers.removeAll { !$0.isOwn && $0.expiresAt <= now }
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

@Suite("Values and providers, against a model")
struct ValueModelTests {
    private static let keys = ["a", "aa", "b", "c/1", "c/2", "d", "e"].map { Array($0.utf8) }

    private static func event(
        _ store: Store, _ now: Instant, _ step: Int, _ generator: inout SeededGenerator
    ) throws -> StoreEvent {
        func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
        let key = keys[random(0...keys.count - 1)]
        let peer = try store.peer(at: Key(UInt64(random(1...6)), 0, 0, 0))
        let received = now.advanced(byMilliseconds: -Int64(random(0...3)))
        // Sometimes already over, sometimes longer than anything may live; each step another instant.
        let expires = now.advanced(
            byMilliseconds: random(0...9) == 0
                ? Int64.max : Int64(random(-2...40)) * 1_000 + Int64(step % 1_000))
        switch random(0...9) {
        case 0: return .valueForgotten(key)
        case 1: return .providerForgotten(key, peer: peer.key)
        case 2...5:
            let bytes = (0..<random(0...40)).map { _ in UInt8(truncatingIfNeeded: step) }
            return .valueStored(
                StoredValue(
                    key: key, value: bytes, receivedAt: received, expiresAt: expires, isOwn: random(0...5) == 0))
        default:
            let addresses = (0..<random(0...18)).map { Multiaddr.test($0 + step) }
            return .providerStored(
                StoredProvider(
                    key: key, peer: peer, addresses: addresses, receivedAt: received, expiresAt: expires,
                    isOwn: random(0...8) == 0))
        }
    }

    private static func expect(_ store: Store, _ model: ValueModel, at now: Instant, _ what: Comment) throws {
        for key in keys {
            #expect(try store.value(key, at: now) == model.value(key, at: now), what)
            #expect(try store.providers(of: key, at: now) == model.providers(of: key, at: now), what)
        }
        for limit in [1, 2, 100] {
            var (values, providers): ([StoredValue], [StoredProvider]) = ([], [])
            var (lastValue, lastProvider): ([UInt8]?, ProviderPlace?) = (nil, nil)
            repeat {
                let page = try store.ownValues(after: lastValue, limit: limit)
                values += page.values
                lastValue = page.next
            } while lastValue != nil
            repeat {
                let page = try store.ownProviders(after: lastProvider, limit: limit)
                providers += page.providers
                lastProvider = page.next
            } while lastProvider != nil
            #expect(values == model.ownValues, what)
            #expect(providers == model.ownProviders, what)
        }
    }

    @Test(
        "say what a list would say: queued, committed, swept, opened again and after a kill",
        arguments: Seeds.first(6), [false, true])
    func model(seed: UInt64, isCrowded: Bool) async throws {
        var generator = SeededGenerator(seed: seed)
        let scratch = Scratch()
        var options = StoreOptions()
        (options.batchCount, options.batchMilliseconds) = (100_000, 3_600_000)
        options.holdingLimits.providersPerKey = 3
        if isCrowded {
            options.holdingLimits.values = 4
            options.holdingLimits.valueBytes = 70
            options.holdingLimits.providers = 9
        }
        var now = Instant.seconds(0)
        var committed = ValueModel(limits: options.holdingLimits)
        var visible = committed
        var store = try await Store.open(scratch.path(), mode: .create(.plain, .private), options: options)
        for step in 0..<500 {
            let what: Comment = "seed \(seed), step \(step)"
            now = now.advanced(byMilliseconds: Int64.random(in: 0...800, using: &generator))
            switch Int.random(in: 0...39, using: &generator) {
            case 0...1:
                try await store.commit()
                committed = visible
                committed.keepToLimits()
            case 2:
                try await store.close()
                committed = visible
                committed.keepToLimits()
                store = try await Store.open(scratch.path(), options: options)
            case 3:
                // Killed: a copy of the files knows what was committed, and nothing else.
                let copy = Scratch()
                for suffix in ["", "-wal"] {
                    try? FileManager.default.copyItem(atPath: scratch.path() + suffix, toPath: copy.path() + suffix)
                }
                let other = try await Store.open(copy.path(), options: options)
                try Self.expect(other, committed, at: now, what)
                #expect(try other.holdings() == committed.holdings, what)
                #expect(try await other.check(full: true).problems == [], what)
                try await other.close()
                continue
            case 4:
                try await store.commit()
                committed = visible
                committed.keepToLimits()
                let before = committed
                committed.sweep(at: now)
                let report = try await store.sweepValues(at: now)
                #expect(report.values == before.values.count - committed.values.count, what)
                #expect(report.providers == before.providers.count - committed.providers.count, what)
                #expect(report.restamped == 0, what)
            default:
                let event = try Self.event(store, now, step, &generator)
                try store.record(event)
                visible.apply(event)
                guard step.isMultiple(of: 5) else { continue }
                try Self.expect(store, visible, at: now, what)
                continue
            }
            visible = committed
            #expect(try store.holdings() == committed.holdings, what)
            try Self.expect(store, visible, at: now, what)
        }
        try await store.close()
    }
}
