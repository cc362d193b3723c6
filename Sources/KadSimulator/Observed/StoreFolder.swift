import KadStore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A temporary folder for the stores of one experiment; removed with it, or by the next experiment where its process was
/// killed.
///
/// In memory where the system has such a file system (Linux: `/dev/shm`): the simulated disk never loses anything, and a
/// flush for each virtual second would wear a real one.
final class StoreFolder: Sendable {
    private let scratch: ScratchFolder

    init() throws {
        let files = FileManager.default
        let parent = files.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : files.temporaryDirectory.path
        scratch = try ScratchFolder(in: parent, named: "kadstore-simulator")
    }

    func file(_ name: String) -> String { scratch.path + "/" + name }

    /// Copies a store as it lies on the disk: what a crash leaves. Nobody may be writing to it.
    func copy(_ source: String, to target: String) throws {
        let files = FileManager.default
        for suffix in ["", "-wal"] {
            let (from, to) = (file(source) + suffix, file(target) + suffix)
            if files.fileExists(atPath: to) { try files.removeItem(atPath: to) }
            if files.fileExists(atPath: from) { try files.copyItem(atPath: from, toPath: to) }
        }
    }

    func remove(_ name: String) {
        for suffix in ["", "-wal", "-shm", "-lock"] { try? FileManager.default.removeItem(atPath: file(name) + suffix) }
    }
}
