import Foundation
import TestSupport
import Testing

@testable import KadStore

/// What a workload has been promised. A first run without faults writes down the states that each file goes through;
/// later ones say how far they came, and what was acknowledged.
final class Ledger {
    /// The states of one file, from before the first step.
    struct Account {
        var states: [StoreContents] = []
        /// The state that is reached for certain, and the one that was acknowledged as durable.
        var reached = 0
        var acknowledged = 0
        /// What the step under way may bring.
        var ahead = 0

        /// What may be there now, whatever happened.
        var possible: ArraySlice<StoreContents> {
            states[min(acknowledged, states.count)..<min(reached + ahead + 1, states.count)]
        }
    }

    enum Purpose {
        /// The first run.
        case recording
        /// An error ends the run.
        case once
        /// An error heals the disk, and the step is tried again.
        case again(FaultyDisk)
    }

    let folder: String
    private let purpose: Purpose
    private(set) var accounts: [String: Account] = [:]
    private(set) var errors: [StoreError] = []
    /// Called when something was acknowledged; on a disk that is to fail only after it did, and the first few times.
    var audit: ((Ledger) async throws -> Void)?
    private var audits = 0
    var isRecording: Bool { if case .recording = purpose { true } else { false } }

    init(_ folder: String, recording files: [String]) async throws {
        self.folder = folder
        purpose = .recording
        for file in files { accounts[file] = Account(states: [try await StoreContents.of(path(file))]) }
    }

    init(_ folder: String, following first: Ledger, _ purpose: Purpose = .once) {
        self.folder = folder
        self.purpose = purpose
        accounts = first.accounts.mapValues { Account(states: $0.states) }
    }

    func path(_ file: String = "a.db") -> String { folder + "/" + file }

    /// One step, which takes a file from its state to the next, or leaves it.
    ///
    /// - Parameters:
    ///   - isDurable: whether its end says that it is on the medium.
    ///   - parts: what it consists of, where each part is a commit: the first run goes through these.
    func step(
        _ file: String = "a.db", isDurable: Bool = true, parts: [() async throws -> Void] = [],
        _ body: () async throws -> Void
    ) async throws {
        guard var account = accounts[file] else { return }
        let count = max(1, parts.count)
        if isRecording {
            if parts.isEmpty { try await body() }
            for part in parts {
                try await part()
                account.states.append(try await StoreContents.of(path(file)))
            }
            if parts.isEmpty { account.states.append(try await StoreContents.of(path(file))) }
        } else {
            account.ahead = count
            accounts[file] = account
            try await attempt(body)
        }
        account.reached += count
        account.ahead = 0
        if isDurable { account.acknowledged = account.reached }
        accounts[file] = account
        guard isDurable, let audit else { return }
        if case .again(let disk) = purpose {
            guard disk.injected > 0, audits < (Thorough.isAsked ? 2 : 1) else { return }
        }
        audits += 1
        try await audit(self)
    }

    func open(_ file: String = "a.db", frames: Int = 100_000) async throws -> Store {
        var opened: Store?
        try await attempt { opened = try await Workload.open(path(file), frames: frames) }
        return try #require(opened)
    }

    /// What brings no file to another state.
    func attempt(_ body: () async throws -> Void) async throws {
        guard case .again(let disk) = purpose else { return try await body() }
        for _ in 0..<3 {
            do {
                return try await body()
            } catch let error as StoreError {
                errors.append(error)
                disk.heal()
            }
        }
        // Now it must not fail any more.
        try await body()
    }
}

extension StoreError {
    /// Whether it says of a disk that fails what can be said of it: never that the file is damaged, or not a store.
    var isOfTheDisk: Bool {
        switch self {
        case .diskFull, .readOnly, .system: true
        case .sqlite(_, let error): error.code == 10 || error.code == 14
        default: false
        }
    }
}
