import Foundation
import Kademlia
import TestSupport
import Testing

@testable import KadStore

/// A workload on a disk that fails.
struct Trial {
    let workload: Workload
    private let template: ScratchFolder
    /// The first run's, with the states of all files.
    private let recorded: Ledger

    /// Runs the workload once without faults.
    init(_ workload: Workload) async throws {
        self.workload = workload
        template = try FaultyDisk.newFolder()
        try await workload.prepare(template.path)
        let folder = try FaultyDisk.newFolder()
        for name in try FileManager.default.contentsOfDirectory(atPath: template.path) {
            try FileManager.default.copyItem(atPath: "\(template.path)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        recorded = try await Ledger(folder.path, recording: workload.files)
        try await workload.run(recorded)
    }

    /// How many of these operations it takes.
    func count(_ operations: FaultyDisk.Operations) async throws -> Int {
        let disk = try FaultyDisk(copying: template.path)
        try await workload.run(Ledger(disk.folder, following: recorded))
        return disk.count(operations)
    }

    /// Runs the workload until the power is cut in the middle of an operation, and looks at what the disk may show.
    ///
    /// - Parameter lies: whose syncs are acknowledged and not done.
    /// - Returns: how many images were looked at, and what is wrong with them.
    func cutPower(
        at moment: Int, lies: FaultyDisk.Lies = [], using generator: inout SeededGenerator
    ) async throws -> (images: Int, problems: [String]) {
        let disk = try FaultyDisk(copying: template.path)
        disk.lie(lies)
        disk.plan(.powerCut, .changes, from: moment)
        let ledger = Ledger(disk.folder, following: recorded)
        var problems: [String] = []
        do {
            try await workload.run(ledger)
        } catch let error as StoreError {
            if !error.isOfTheDisk { problems.append("\(workload) cut at \(moment): \(error)") }
        }
        disk.cutPower()
        var images = FaultyDisk.Image.allCases
        if Thorough.isAsked {
            images += [.subset, .subset, .sectors, .prefix]
        } else {
            images = Array(images.shuffled(using: &generator).prefix(Thorough.quickImages))
        }
        for image in images {
            let seed = generator.next()
            problems += try await judge(disk, ledger, image, seed, "cut at \(moment)")
        }
        return (images.count, problems)
    }

    /// Runs the workload on a sound disk, and looks at what would be left if the power failed whenever something was
    /// acknowledged.
    func cutPowerOnceAcknowledged() async throws -> (images: Int, problems: [String]) {
        let disk = try FaultyDisk(copying: template.path)
        let ledger = Ledger(disk.folder, following: recorded)
        var images = 0
        var problems: [String] = []
        ledger.audit = { ledger in
            images += 1
            problems += try await judge(disk, ledger, .synced, UInt64(images), "cut after acknowledgement \(images)")
        }
        try await workload.run(ledger)
        return (images, problems)
    }

    /// Runs the workload with operations that fail, and the disk healed after each error that is told; what failed is tried
    /// again. In the end all is there, and what was acknowledged in between was on the medium.
    ///
    /// - Returns: how many faults there were, and what is wrong.
    func fail(
        _ fault: FaultyDisk.Fault, _ operations: FaultyDisk.Operations, at moment: Int, forever: Bool
    ) async throws -> (faults: Int, problems: [String]) {
        let disk = try FaultyDisk(copying: template.path)
        let place = "\(fault) of \(operations.rawValue) at \(moment)\(forever ? " and on" : "")"
        disk.plan(fault, operations, from: moment, through: forever ? .max : moment)
        let ledger = Ledger(disk.folder, following: recorded, .again(disk))
        var problems: [String] = []
        ledger.audit = { ledger in
            for image in [FaultyDisk.Image.synced, .sectors] {
                problems += try await judge(disk, ledger, image, UInt64(moment), "acknowledged after \(place)")
            }
        }
        do {
            try await workload.run(ledger)
        } catch let error as StoreError {
            problems.append("\(workload), \(place): \(error)")
        }
        disk.heal()
        for error in ledger.errors where !error.isOfTheDisk { problems.append("\(workload), \(place): said \(error)") }
        problems += try await judge(disk, ledger, .synced, UInt64(moment), "after \(place)")
        problems += try await judge(disk, ledger, .all, UInt64(moment), "after \(place)")
        return (disk.injected, problems)
    }

    // MARK: What may be there

    private func judge(
        _ disk: FaultyDisk, _ ledger: Ledger, _ image: FaultyDisk.Image, _ seed: UInt64, _ place: String
    ) async throws -> [String] {
        let folder = try disk.image(image, seed: seed)
        try garbleIndexes(folder, seed)
        var problems: [String] = []
        if seed % 4 == 1 { problems += try await cutRecovery(folder, seed) }
        problems += try await judge(folder, ledger)
        return problems.map { "\(workload) \(place), image \(image), seed \(seed): \($0)" }
    }

    /// The log's index is not durable: it may be gone, or hold anything.
    private func garbleIndexes(_ folder: ScratchFolder, _ seed: UInt64) throws {
        guard seed % 3 == 0 else { return }
        var generator = SeededGenerator(seed: seed)
        for file in workload.files where FileManager.default.fileExists(atPath: folder.path + "/" + file) {
            let bytes = (0..<32_768 / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder.path)/\(file)-shm"))
        }
    }

    /// The power fails once more while the first to open the file takes its log in: nothing changes by that.
    private func cutRecovery(_ folder: ScratchFolder, _ seed: UInt64) async throws -> [String] {
        let name = workload.files[0]
        let disk = try FaultyDisk(copying: folder.path)
        disk.plan(.powerCut, .changes, from: Int(seed % 23) + 1)
        do {
            if case .store = try await StoreContents.of(disk.path(name)) {
                try await Store.open(disk.path(name), options: Workload.options()).close()
            }
        } catch {
            let error = StoreError.of(error, path: disk.folder)
            if !error.isOfTheDisk { return ["cut in recovery: \(error)"] }
        }
        disk.cutPower()
        let again = try disk.image(.sectors, seed: seed)
        let before = try await StoreContents.of(folder.path + "/" + name)
        do {
            let after = try await StoreContents.of(again.path + "/" + name)
            return before == after ? [] : ["cut in recovery: \(after.difference(from: before))"]
        } catch {
            return ["cut in recovery: \(error)"]
        }
    }

    /// Whether every file is one of those that it may be, sound, and of use.
    private func judge(_ folder: ScratchFolder, _ ledger: Ledger) async throws -> [String] {
        var problems: [String] = []
        for (file, account) in ledger.accounts.sorted(by: { $0.key < $1.key }) {
            let path = folder.path + "/" + file
            do {
                let found = try await StoreContents.of(path)
                if try await !keepsDamage(folder, account, found) {
                    problems.append("\(file): the damaged file is gone")
                }
                try await check(path, found)
                guard !account.possible.contains(found) else { continue }
                let place = account.states.firstIndex(of: found).map { "\($0)" } ?? "none"
                let last = account.possible.last ?? .nothing
                problems.append(
                    """
                    \(file) is state \(place) of \(account.states.count), not \(account.acknowledged) to \
                    \(account.reached + account.ahead): \(found.difference(from: last))
                    """)
            } catch {
                problems.append("\(file): \(error)")
            }
        }
        return try await problems + judgeOthers(folder, ledger)
    }

    /// What was damaged is there, byte for byte, where the file itself is it no more.
    private func keepsDamage(_ folder: ScratchFolder, _ account: Ledger.Account, _ found: StoreContents) async throws
        -> Bool
    {
        guard let first = account.states.first, case .damaged = first, found != first else { return true }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.contains(".corrupt-") {
            if DatabaseFiles.companions.contains(where: { name.hasSuffix($0) }) { continue }
            if try await StoreContents.of(folder.path + "/" + name) == first { return true }
        }
        return false
    }

    /// Whatever else can be seen is a whole store that there once was: a backup or what a restore keeps.
    private func judgeOthers(_ folder: ScratchFolder, _ ledger: Ledger) async throws -> [String] {
        var problems: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            if workload.files.contains(name) || name.hasPrefix(".") { continue }
            if DatabaseFiles.companions.contains(where: { name.hasSuffix($0) }) { continue }
            do {
                let found = try await StoreContents.of(folder.path + "/" + name)
                try await check(folder.path + "/" + name, found)
                if !ledger.accounts.values.contains(where: { $0.states.contains(found) }) {
                    problems.append("\(name) holds what no store ever held")
                }
            } catch {
                problems.append("\(name): \(error)")
            }
        }
        return problems
    }

    /// That a file is sound, and can be worked with.
    private func check(_ path: String, _ contents: StoreContents) async throws {
        switch contents {
        case .nothing: try await Workload.open(path).close()
        case .damaged:
            guard try await Store.salvage(path).outcome == .salvaged else {
                throw StoreError.unsound(path: path, problems: 1, first: "it cannot be salvaged")
            }
            try await check(path, try await StoreContents.of(path))
        case .older:
            let connection = try Connection(path: path, access: .readWrite)
            let query = try connection.prepare("PRAGMA integrity_check")
            guard try query.step(), query.text(0) == "ok" else {
                throw StoreError.unsound(path: path, problems: 1, first: query.text(0))
            }
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
