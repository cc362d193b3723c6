import CFaultVFS
import Foundation
import KadStore

/// A folder on a disk that fails on request, and that shows after a power cut what a disk may show: see
/// `Tests/CFaultVFS/include/faultvfs.h` for what is modelled.
package final class FaultyDisk: @unchecked Sendable {
    /// How an operation fails.
    package enum Fault: Int32, Sendable, CaseIterable {
        /// EIO.
        case error = 1
        /// ENOSPC.
        case full = 2
        /// Half of a write, then ENOSPC; EIO of anything else.
        case short = 3
        /// It may or may not have happened, and nothing works any more.
        case powerCut = 4
    }

    /// What is counted, and can fail.
    package struct Operations: OptionSet, Sendable {
        package let rawValue: Int32

        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let write = Operations(rawValue: 1)
        package static let truncate = Operations(rawValue: 2)
        package static let sync = Operations(rawValue: 4)
        package static let delete = Operations(rawValue: 8)
        package static let create = Operations(rawValue: 16)
        package static let rename = Operations(rawValue: 32)
        /// Mapping a piece of a log's index.
        package static let share = Operations(rawValue: 64)
        package static let read = Operations(rawValue: 128)
        package static let open = Operations(rawValue: 256)
        /// All that change what is on the disk.
        package static let changes: Operations = [.write, .truncate, .sync, .delete, .create, .rename]
        /// All that need room.
        package static let growth: Operations = [.write, .create, .share]
        package static let reads: Operations = [.read, .open, .share]
    }

    /// What a disk shows after a power cut.
    package enum Image: Int32, Sendable, CaseIterable {
        /// Everything: what a killed process leaves.
        case all = 0
        /// What was synced, and nothing else.
        case synced = 1
        /// Of each file the first of the writes since.
        case prefix = 2
        /// Everything, but the last write of each file is torn.
        case torn = 3
        /// Some of the writes, some of them torn: what comes of any order.
        case subset = 4
        /// Some of the sectors.
        case sectors = 5
    }

    /// Whose syncs are acknowledged and not done.
    package struct Lies: OptionSet, Sendable {
        package let rawValue: Int32

        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let database = Lies(rawValue: 1)
        package static let log = Lies(rawValue: 2)
        package static let journal = Lies(rawValue: 4)
        package static let folder = Lies(rawValue: 8)
    }

    package struct Unavailable: Error {}

    private let scratch: ScratchFolder
    private let disk: OpaquePointer

    package var folder: String { scratch.path }

    /// Where files cost nothing to write: a file system in memory, where there is one.
    private static let base: String = {
        let memory = "/dev/shm"
        let isThere = FileManager.default.isWritableFile(atPath: memory)
        return URL(fileURLWithPath: isThere ? memory : NSTemporaryDirectory()).resolvingSymlinksInPath().path
    }()

    /// A new, empty folder that nobody watches.
    package static func newFolder() throws -> ScratchFolder {
        try ScratchFolder(in: base, named: "kadstore-faults")
    }

    /// A folder with the files of another one, all of them synced; empty without one.
    package init(copying template: String? = nil) throws {
        guard faultvfs_install() == 1 else { throw Unavailable() }
        scratch = try Self.newFolder()
        for name in try template.map(FileManager.default.contentsOfDirectory) ?? [] {
            try FileManager.default.copyItem(atPath: "\(template ?? "")/\(name)", toPath: "\(scratch.path)/\(name)")
        }
        guard let disk = faultvfs_watch(scratch.path) else { throw Unavailable() }
        self.disk = disk
    }

    deinit { faultvfs_release(disk) }

    package func path(_ name: String) -> String { folder + "/" + name }

    /// Fails the operations from the `first` to the `last`, counted from now, from 1.
    package func plan(_ fault: Fault, _ operations: Operations, from first: Int, through last: Int = .max) {
        faultvfs_plan(disk, fault.rawValue, operations.rawValue, Int64(first), Int64(last))
    }

    /// From now on nothing fails.
    package func heal() { faultvfs_plan(disk, 0, 0, 0, 0) }

    package func lie(_ lies: Lies) { faultvfs_lie(disk, lies.rawValue) }

    package func cutPower() { faultvfs_cut(disk) }

    /// Operations so far.
    package func count(_ operations: Operations) -> Int { Int(faultvfs_count(disk, operations.rawValue)) }

    /// Faults so far.
    package var injected: Int { Int(faultvfs_injected(disk)) }

    /// A new folder with what the disk may show.
    package func image(_ image: Image, seed: UInt64) throws -> ScratchFolder {
        let target = try Self.newFolder()
        guard faultvfs_image(disk, target.path, image.rawValue, seed) == 1 else { throw Unavailable() }
        return target
    }
}
