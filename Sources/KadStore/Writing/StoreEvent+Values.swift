import Kademlia
import Multiformats

/// What queued events make of a row that is kept under a key.
enum RowChange<Row> {
    case put(Row)
    case remove
}

extension RowChange where Row: Expiring {
    /// Whether it is this node that publishes or withdraws: only that takes the place of a damaged row, which may have been
    /// one of our own.
    var isOurs: Bool {
        switch self {
        case .put(let row): row.isOwn
        case .remove: true
        }
    }

    /// - Parameter isOwn: whether the row that is there is one of our own.
    fileprivate static func putting(_ row: Row, onto change: Self?, isOwn: Bool) -> Self? {
        let stays =
            switch change {
            case .put(let queued): queued.isOwn
            case .remove: false
            case nil: isOwn
            }
        return stays && !row.isOwn ? change : .put(row.clamped)
    }
}

extension Sequence<StoreEvent> {
    /// What the events of a key make of its value; nil leaves it as it is. The one rule for readers and the writer.
    ///
    /// - Parameter isOwn: whether the stored value is one of our own.
    func valueChange(isOwn: Bool) -> RowChange<StoredValue>? {
        var change: RowChange<StoredValue>?
        for event in self {
            switch event {
            case .valueStored(let value): change = .putting(value, onto: change, isOwn: isOwn)
            case .valueForgotten: change = .remove
            default: break
            }
        }
        return change
    }

    /// What the events of a key make of its providers.
    ///
    /// - Parameter isOwn: whether the stored provider of a key is this node itself.
    func providerChanges(isOwn: (Key) throws -> Bool) rethrows -> [Key: RowChange<StoredProvider>] {
        var changes: [Key: RowChange<StoredProvider>] = [:]
        for event in self {
            switch event {
            case .providerStored(var provider):
                let peer = provider.peer.key
                let known = changes[peer]
                provider.addresses = Array(provider.addresses.prefix(StoredProvider.maximumAddresses))
                changes[peer] = .putting(provider, onto: known, isOwn: try known == nil && isOwn(peer))
            case .providerForgotten(_, let peer): changes[peer] = .remove
            default: break
            }
        }
        return changes
    }
}

extension StoreEvent {
    /// The key of the value or provider that the event is of, where it is of one.
    var valueKey: [UInt8]? {
        switch self {
        case .valueStored(let value): value.key
        case .valueForgotten(let key): key
        case .providerStored(let provider): provider.key
        case .providerForgotten(let key, _): key
        default: nil
        }
    }

    /// The bytes of a value or provider, about: what a queue is bounded by besides its length.
    var weight: Int {
        switch self {
        case .valueStored(let value): value.key.count + value.value.count
        case .providerStored(let provider):
            provider.addresses.prefix(StoredProvider.maximumAddresses).reduce(provider.key.count) {
                $0 + $1.bytes.count
            }
        default: 0
        }
    }

    /// What of a value or provider is too large to be kept; nil when nothing is.
    var excess: StoreError? {
        guard let key = valueKey else { return nil }
        if key.isEmpty { return .invalidArgument("an empty key has no value and no provider") }
        if key.count > StoredValue.maximumKeyBytes {
            return .tooLarge(what: "a key", bytes: key.count, limit: StoredValue.maximumKeyBytes)
        }
        if case .valueStored(let value) = self, value.value.count > StoredValue.maximumValueBytes {
            return .tooLarge(what: "a value", bytes: value.value.count, limit: StoredValue.maximumValueBytes)
        }
        return nil
    }
}
