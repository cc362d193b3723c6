import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

/// A workload on a disk that fails.
struct Trial {
    let workload: Workload
    private let template: Folder
    /// The first run's, with the states of all files.
    private let recorded: Ledger

    /// Runs the workload once without faults.
    init(_ workload: Workload) async throws {
        self.workload = workload
        template = try Folder()
        try await workload.prepare(template.path)
        let folder = try Folder()
        for name in try FileManager.default.contentsOfDirectory(atPath: template.path) {
            try FileManager.default.copyItem(atPath: "\(template.path)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        recorded = try await Ledger(folder.path, recording: workload.files)
        try await workload.run(recorded)
    }

    /// How many operations change the disk.
    func changes() async throws -> Int {
        let disk = try FaultyDisk(copying: template.path)
        try await workload.run(Ledger(disk.folder, following: recorded))
        return disk.count(.changes)
    }

    /// Cuts the power in the middle of an operation, and looks at what the disk may show.
    ///
    /// - Returns: how many images were looked at.
    func cutPower(at moment: Int, lying: FaultyDisk.Lies = [], using generator: inout SeededGenerator) async throws
        -> Int
    {
        let disk = try FaultyDisk(copying: template.path)
        disk.lie(lying)
        disk.plan(.powerCut, .changes, from: moment)
        let ledger = Ledger(disk.folder, following: recorded)
        do {
            try await workload.run(ledger)
        } catch let error as StoreError {
            #expect(error.isOfTheDisk, "\(workload) at \(moment): \(error)")
        }
        disk.cutPower()
        var images = FaultyDisk.Image.allCases
        if Thorough.isAsked { images += [.subset, .subset, .sectors, .prefix] }
        for image in images {
            let seed = generator.next()
            let folder = Folder(taking: try disk.image(image, seed: seed))
            try garbleIndexes(folder, seed)
            let place = "\(workload) cut at \(moment), image \(image), seed \(seed)"
            try await judge(folder, ledger, place)
        }
        return images.count
    }

    /// The log's index is not durable: it may be gone, or hold anything.
    private func garbleIndexes(_ folder: Folder, _ seed: UInt64) throws {
        guard seed % 3 == 0 else { return }
        var generator = SeededGenerator(seed: seed)
        for file in workload.files where FileManager.default.fileExists(atPath: folder.path + "/" + file) {
            let bytes = (0..<32_768 / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder.path)/\(file)-shm"))
        }
    }

    /// Whether every file is one of those that it may be, sound, and of use.
    func judge(_ folder: Folder, _ ledger: Ledger, _ place: String) async throws {
        for (file, account) in ledger.accounts.sorted(by: { $0.key < $1.key }) {
            let path = folder.path + "/" + file
            let found: StoreContents
            do {
                found = try await StoreContents.of(path)
                try await check(path, found)
            } catch {
                Issue.record("\(place): \(file): \(error)")
                continue
            }
            if !account.possible.contains(found) {
                let last = account.possible.last ?? .nothing
                let whole = account.states.firstIndex(of: found)
                Issue.record(
                    """
                    \(place): \(file) is state \(whole.map { "\($0)" } ?? "none") of \(account.states.count), \
                    not \(account.acknowledged) to \(account.reached + account.ahead): \(found.difference(from: last))
                    """)
            }
        }
        try await judgeOthers(folder, ledger, place)
    }

    /// Whatever else can be seen is a whole store that there once was: a backup or what a restore keeps.
    private func judgeOthers(_ folder: Folder, _ ledger: Ledger, _ place: String) async throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            if workload.files.contains(name) || name.hasPrefix(".") { continue }
            if DatabaseFiles.companions.contains(where: { name.hasSuffix($0) }) { continue }
            do {
                let found = try await StoreContents.of(folder.path + "/" + name)
                try await check(folder.path + "/" + name, found)
                if !ledger.accounts.values.contains(where: { $0.states.contains(found) }) {
                    Issue.record("\(place): \(name) holds what no store ever held")
                }
            } catch {
                Issue.record("\(place): \(name): \(error)")
            }
        }
    }

    private func check(_ path: String, _ contents: StoreContents) async throws {
        switch contents {
        case .nothing:
            // A new store may be made there.
            let store = try await Workload.open(path)
            try store.hear(Key(5, 5, 5, 5))
            try await store.close()
        case .older:
            let connection = try Connection(path: path, access: .readWrite)
            let query = try connection.prepare("PRAGMA integrity_check")
            #expect(try query.step() && query.text(0) == "ok")
        case .store:
            let store = try await Store.open(path, options: Workload.options())
            let problems = try await store.check(full: true).problems
            if let first = problems.first {
                throw StoreError.unsound(path: path, problems: problems.count, first: "\(first)")
            }
            try store.hear(Key(5, 5, 5, 5))
            try await store.close()
        }
    }
}

/// A folder that is removed with this value.
final class Folder: Sendable {
    let path: String

    init() throws { path = try FaultyDisk.newFolder() }

    init(taking path: String) { self.path = path }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
