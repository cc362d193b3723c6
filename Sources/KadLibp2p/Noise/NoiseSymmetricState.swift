import Crypto

/// What both ends of a Noise handshake know so far: the hash of all that was said, the chaining key of all that was agreed,
/// and the cipher that follows from it. Noise's SymmetricState with SHA-256.
struct NoiseSymmetricState {
    private(set) var hash: [UInt8]
    private var chainingKey: [UInt8]
    private var cipher: NoiseCipher?

    /// - Parameter name: of the protocol, exactly 32 bytes: one of another length would have to be padded or hashed.
    init(protocolName name: String) {
        hash = Array(name.utf8)
        chainingKey = hash
    }

    mutating func mix(hash bytes: some Collection<UInt8>) {
        var hasher = SHA256()
        hasher.update(data: hash)
        hasher.update(data: Array(bytes))
        hash = Array(hasher.finalize())
    }

    mutating func mix(secret: SharedSecret) {
        let (next, key) = secret.withUnsafeBytes { derive(from: SymmetricKey(data: $0)) }
        chainingKey = next.withUnsafeBytes(Array.init)
        cipher = NoiseCipher(key: key)
    }

    /// - Returns: `plaintext` sealed; as it is while there is no key yet.
    mutating func seal(_ plaintext: [UInt8]) throws(NoiseError) -> [UInt8] {
        var output = plaintext
        if let sealed = try cipher?.seal(plaintext, authenticating: hash) { output = Array(sealed) }
        mix(hash: output)
        return output
    }

    mutating func open(_ sealed: ArraySlice<UInt8>) throws(NoiseError) -> [UInt8] {
        var plaintext = Array(sealed)
        if let opened = try cipher?.open(sealed, authenticating: hash) { plaintext = Array(opened) }
        mix(hash: sealed)
        return plaintext
    }

    /// The ciphers of the two directions: the initiator's first.
    func split() -> (NoiseCipher, NoiseCipher) {
        let (first, second) = derive(from: SymmetricKey(data: [UInt8]()))
        return (NoiseCipher(key: first), NoiseCipher(key: second))
    }

    /// Noise's HKDF with two outputs, which is RFC 5869's with the chaining key as salt, no info, and twice 32 bytes.
    private func derive(from material: SymmetricKey) -> (SymmetricKey, SymmetricKey) {
        let size = SHA256.byteCount
        return HKDF<SHA256>.deriveKey(inputKeyMaterial: material, salt: chainingKey, outputByteCount: 2 * size)
            .withUnsafeBytes { bytes in
                (
                    SymmetricKey(data: UnsafeRawBufferPointer(rebasing: bytes.prefix(size))),
                    SymmetricKey(data: UnsafeRawBufferPointer(rebasing: bytes.dropFirst(size)))
                )
            }
    }
}
