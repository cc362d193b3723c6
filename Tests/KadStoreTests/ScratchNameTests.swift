import Foundation
import Testing

@testable import KadStore

@Suite("What a killed process leaves") struct ScratchNameTests {
    private let scratch = Scratch()

    /// The number of a process that has ended.
    private func deadProcess() throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", ":"]
        try process.run()
        process.waitUntilExit()
        return process.processIdentifier
    }

    private func make(_ name: String) throws { try Data([1]).write(to: URL(fileURLWithPath: scratch.path(name))) }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch.folder).sorted()
    }

    @Test("is removed by the next that works in that folder; what somebody has locked stays")
    func leftovers() throws {
        let dead = try deadProcess()
        // In another container a process of the same number may have left them: who lives here says nothing.
        let left = ["\(dead)-left", "\(getpid())-left", "1-left"].map { ".kadstore-\($0)" }
        for part in ["", "-wal", "-lock", "-owner"] { for name in left { try make(name + part) } }
        for name in [
            // Of a process that holds its lock, and what was never ours.
            ".kadstore-\(dead)-held-owner", ".kadstore-\(dead)-held", ".kadstore-\(dead)-bare", ".kadstore-x-owner",
            ".kadstore-\(dead)-owner", ".kadstore-0-a-owner",
            "kadstore-\(dead)-a-owner", ".kadstore--1-a-owner", ".kadstore-99999999999999999999-a-owner",
        ] { try make(name) }
        #expect(symlink("/etc/passwd", scratch.path(".kadstore-\(dead)-linked-owner")) == 0)
        #expect(mkfifo(scratch.path(".kadstore-\(dead)-pipe-owner"), 0o600) == 0)
        let held = open(scratch.path(".kadstore-\(dead)-held-owner"), O_RDONLY | O_CLOEXEC)
        defer { close(held) }
        #expect(flock(held, LOCK_EX | LOCK_NB) == 0)
        let before = try names()
        let kept = before.filter { name in !left.contains { name.hasPrefix($0) } }
        do {
            let name = try ScratchName(in: scratch.folder)
            try Data([2]).write(to: URL(fileURLWithPath: name.path))
            let ours = name.path.split(separator: "/").last.map(String.init) ?? ""
            let expected = kept + [ours, ours + "-owner"]
            #expect(try names() == expected.sorted())
            // A second one leaves the first alone.
            _ = try ScratchName(in: scratch.folder)
            #expect(try names() == expected.sorted())
            withExtendedLifetime(name) {}
        }
        #expect(try names() == kept)
        #expect(throws: ScratchName.Fault.self) { try ScratchName(in: scratch.path("none")) }
    }

    @Test("is removed by the next backup")
    func backup() async throws {
        try await scratch.withStore { store in
            let dead = try deadProcess()
            for part in ["", "-journal", "-owner"] { try make(".kadstore-\(dead)-left\(part)") }
            _ = try await store.backup(to: scratch.path("copy.db"))
            #expect(try names().filter { $0.hasPrefix(".") } == [])
        }
    }

    @Test("as a folder likewise, with all that is in it")
    func folders() throws {
        let dead = try deadProcess()
        let files = FileManager.default
        for name in ["test-\(dead)-left", "test-1-left", "test-\(dead)-held", "test-x-alien", "other-\(dead)-x"] {
            try files.createDirectory(atPath: scratch.path(name + "/inner"), withIntermediateDirectories: true)
            try make(name + "/inner/file")
        }
        try make("kept")
        #expect(symlink(scratch.folder, scratch.path("test-\(dead)-left/link")) == 0)
        let held = open(scratch.path("test-\(dead)-held"), O_RDONLY | O_CLOEXEC)
        defer { close(held) }
        #expect(flock(held, LOCK_EX | LOCK_NB) == 0)
        let left = ["kept", "other-\(dead)-x", "test-\(dead)-held", "test-x-alien"]
        do {
            let folder = try ScratchFolder(in: scratch.folder, named: "test")
            try Data([2]).write(to: URL(fileURLWithPath: folder.path + "/file"))
            #expect(try names() == (left + [folder.path.split(separator: "/").last.map(String.init) ?? ""]).sorted())
            withExtendedLifetime(folder) {}
        }
        #expect(try names() == left.sorted())
    }
}
