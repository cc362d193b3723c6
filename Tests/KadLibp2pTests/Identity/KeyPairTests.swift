import Foundation
import Kademlia
import Testing

@testable import KadLibp2p

@Suite("A node's own key")
struct KeyPairTests {
    @Test("a seed gives the key, the signature and the file that other implementations make of it")
    func vector() throws {
        let keys = try KeyPair(seed: KeyVector.seed)
        #expect(keys.publicKey.encoded == KeyVector.ed25519.encoded)
        // Ed25519 signatures are deterministic by the standard; CryptoKit's are not.
        #if os(Linux)
        #expect(try keys.sign(KeyVector.message) == KeyVector.ed25519.signature)
        #endif
        #expect(try keys.publicKey.isSignature(keys.sign([1]), of: [1]))
        let publicHalf = KeyVector.ed25519.encoded.suffix(32)
        #expect(try keys.encoded == [0x08, 0x01, 0x12, 0x40] + KeyVector.seed + publicHalf)
    }

    @Test("new keys differ")
    func fresh() throws {
        #expect(try KeyPair().peerID != KeyPair().peerID)
        #expect(throws: KeyError.malformed) { try KeyPair(seed: [1, 2, 3]) }
    }

    @Test("the three forms of a private key are read, and no half of another key")
    func forms() throws {
        let seed = KeyVector.seed
        let half = Array(KeyVector.ed25519.encoded.suffix(32))
        for data in [seed, seed + half, seed + half + half] {
            let keys = try KeyPair(encoded: [0x08, 0x01, 0x12, UInt8(data.count)] + data)
            #expect(keys.publicKey.encoded == KeyVector.ed25519.encoded)
        }
        let other = Array(half.reversed())
        for data in [seed + other, seed + half + other, seed + other + half] {
            #expect(throws: KeyError.mismatchedHalves) {
                try KeyPair(encoded: [0x08, 0x01, 0x12, UInt8(data.count)] + data)
            }
        }
        for count in [0, 31, 33, 63, 65, 127] {
            #expect(throws: KeyError.malformed) {
                try KeyPair(encoded: [0x08, 0x01, 0x12, UInt8(count)] + Array(repeating: 1, count: count))
            }
        }
        #expect(throws: KeyError.unsupported(.secp256k1)) { try KeyPair(encoded: [0x08, 0x02, 0x12, 1, 1]) }
        #expect(throws: KeyError.malformed) { try KeyPair(encoded: []) }
    }

    @Test("the static key follows from the key, and the payload proves it")
    func noise() throws {
        let keys = try KeyPair(seed: KeyVector.seed)
        let again = try KeyPair(seed: KeyVector.seed)
        #expect(keys.noise.staticKey.rawRepresentation == again.noise.staticKey.rawRepresentation)
        let verified = try NoiseIdentity.verified(payload: keys.noise.payload, of: keys.noise.staticKey.publicKey)
        #expect(verified == keys.publicKey)
    }
}

@Suite("A key in a file")
struct KeyFileTests {
    /// Runs `body` with a folder of its own.
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kadstore-keys-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    @Test("a key that is saved is loaded, only its owner may read it, and nothing is left beside it")
    func saved() throws {
        try withFolder { folder in
            let keys = try KeyPair()
            try keys.save(to: "\(folder)/key")
            #expect(try KeyPair(contentsOf: "\(folder)/key").peerID == keys.peerID)
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/key")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["key"])
        }
    }

    @Test("what is there is not replaced, be it a file, a folder or a link to nowhere")
    func existing() throws {
        try withFolder { folder in
            let manager = FileManager.default
            try Data("precious".utf8).write(to: URL(fileURLWithPath: "\(folder)/file"))
            try manager.createDirectory(atPath: "\(folder)/folder", withIntermediateDirectories: false)
            try manager.createSymbolicLink(atPath: "\(folder)/link", withDestinationPath: "nowhere")
            let names = try manager.contentsOfDirectory(atPath: folder).sorted()
            for name in names {
                let path = "\(folder)/\(name)"
                #expect(throws: KeyFileError.exists(path: path)) { try KeyPair().save(to: path) }
            }
            #expect(try manager.contentsOfDirectory(atPath: folder).sorted() == names)
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/file")) == Data("precious".utf8))
        }
    }

    @Test("each reason why a file gives no key is told from the others")
    func faults() throws {
        try withFolder { folder in
            let path = "\(folder)/key"
            #expect(throws: KeyFileError.notFound(path: path)) { try KeyPair(contentsOf: path) }
            #expect(throws: KeyFileError.notAFile(path: folder)) { try KeyPair(contentsOf: folder) }
            #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
            #expect(throws: KeyFileError.notAFile(path: "\(folder)/pipe")) { try KeyPair(contentsOf: "\(folder)/pipe") }
            for (bytes, error) in [
                (Data(), KeyFileError.key(path: path, .malformed)), (Data("text".utf8), .key(path: path, .malformed)),
                (Data(repeating: 8, count: 2048), .key(path: path, .malformed)),
                (Data(repeating: 8, count: 2049), .tooLarge(path: path, limit: 2048)),
                (Data(repeating: 8, count: 1_000_000), .tooLarge(path: path, limit: 2048)),
            ] {
                try bytes.write(to: URL(fileURLWithPath: path))
                #expect(throws: error) { try KeyPair(contentsOf: path) }
                #expect(throws: error) { try KeyPair(contentsOfOrSavingTo: path) }
            }
            #expect(throws: KeyFileError.self) { try KeyPair().save(to: "\(folder)/none/key") }
            #expect(throws: KeyFileError.self) { try KeyPair().save(to: "\(folder)/") }
        }
    }

    @Test("others' permissions are no reason against a key")
    func permissions() throws {
        try withFolder { folder in
            try KeyPair().save(to: "\(folder)/key")
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: "\(folder)/key")
            _ = try KeyPair(contentsOf: "\(folder)/key")
        }
    }

    @Test("many who ask for a key at once get the same one")
    func together() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kadstore-keys-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/key"
        let found = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<20 {
                group.addTask { Array(try KeyPair(contentsOfOrSavingTo: path).peerID.bytes) }
            }
            return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(found.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
    }
}
