import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A key and the number of its next use: Noise's CipherState with ChaCha20-Poly1305.
struct NoiseCipher {
    /// What sealing adds, in bytes.
    static let tagCount = 16
    private static let nonceCount = 12

    private let key: SymmetricKey
    private var counter: UInt64

    /// - Parameter counter: other than 0 for tests only.
    init(key: SymmetricKey, counter: UInt64 = 0) {
        self.key = key
        self.counter = counter
    }

    /// - Returns: the ciphertext, and the tag behind it.
    mutating func seal(
        _ plaintext: some DataProtocol, authenticating context: [UInt8]
    ) throws(NoiseError) -> Data {
        let nonce = try nextNonce()
        guard
            let box = try? ChaChaPoly.seal(
                plaintext, using: key, nonce: ChaChaPoly.Nonce(data: nonce), authenticating: context)
        else { throw .library }
        counter += 1
        return box.combined.dropFirst(Self.nonceCount)
    }

    /// - Parameter sealed: ciphertext, and the tag behind it.
    mutating func open(
        _ sealed: some DataProtocol, authenticating context: [UInt8]
    ) throws(NoiseError) -> Data {
        guard sealed.count >= Self.tagCount else { throw .truncated }
        var combined = Data(try nextNonce())
        combined.reserveCapacity(Self.nonceCount + sealed.count)
        combined.append(contentsOf: sealed)
        guard let box = try? ChaChaPoly.SealedBox(combined: combined) else { throw .library }
        guard let plaintext = try? ChaChaPoly.open(box, using: key, authenticating: context) else {
            throw .authentication
        }
        counter += 1
        return plaintext
    }

    /// Four zero bytes and the counter in little-endian order. The last number is not to be used.
    private func nextNonce() throws(NoiseError) -> [UInt8] {
        guard counter < .max else { throw .nonceExhausted }
        return [0, 0, 0, 0] + withUnsafeBytes(of: counter.littleEndian, Array.init)
    }
}
