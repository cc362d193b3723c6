import KadStore

/// What was told of a store that fails: once when it begins to, and once when it works again.
struct StoreHealth {
    private var isFailing = false
    /// Whether it was also told that the queue is full.
    private var isFull = false
    /// Events that the store did not take since it failed.
    private var lost = 0
    /// Whether a call failed since the last mark of time.
    private var hasFailed = false
    /// A damaged file is told of once in the life of a node: the next call may meet a sound page, and shows nothing.
    private var isDamaged = false

    /// A call of the store failed.
    mutating func failed(_ error: StoreError, _ actions: inout [Action]) {
        guard !error.isDamage else { return damaged(error, &actions) }
        hasFailed = true
        begin(error, &actions)
    }

    /// The store did not take an event. That its queue is full is told besides why it is not written: from then on what is
    /// observed is lost.
    mutating func refused(_ error: StoreError, isLost: Bool, _ actions: inout [Action]) {
        if isLost, lost == 0, case .backlog = error, isFailing, !isFull {
            isFull = true
            actions.append(.note(.storeFailed(error)))
        }
        if isLost { lost += 1 }
        if case .backlog = error, !isFailing { isFull = true }
        begin(error, &actions)
    }

    /// A mark of time was recorded, or refused. What was taken is only queued: a full device, for one, shows when it is
    /// committed. And while calls fail, a commit that went well shows nothing of them.
    mutating func marked(isTaken: Bool, commitFault: StoreError?, _ actions: inout [Action]) {
        defer { hasFailed = false }
        if let commitFault {
            // That nothing can be written is told also where damage was: it is another thing that fails now.
            if commitFault.isDamage { isDamaged = true }
            begin(commitFault, &actions)
        } else if isTaken, !hasFailed, isFailing {
            actions.append(.note(.storeRecovered(lost: lost)))
            (isFailing, isFull, lost) = (false, false, 0)
        }
    }

    private mutating func begin(_ error: StoreError, _ actions: inout [Action]) {
        guard !isFailing else { return }
        isFailing = true
        actions.append(.note(.storeFailed(error)))
    }

    private mutating func damaged(_ error: StoreError, _ actions: inout [Action]) {
        guard !isDamaged else { return }
        isDamaged = true
        actions.append(.note(.storeFailed(error)))
    }
}

extension StoreError {
    /// Whether it says that the file is damaged, which does not pass.
    fileprivate var isDamage: Bool {
        switch self {
        case .corrupt, .notAStore, .unsound, .foreignSchema, .foreignMigration: true
        default: false
        }
    }
}
