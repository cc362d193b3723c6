import NIOCore

/// The two Noise ciphers of an established connection. When either direction throws, the connection is to be closed: what
/// follows cannot be trusted to be what was meant.
struct SecureChannel {
    private var ciphers: NoiseHandshake.Ciphers

    init(_ ciphers: NoiseHandshake.Ciphers) { self.ciphers = ciphers }

    /// Appends `plaintext` to `output`, sealed, in as few frames as hold it; nothing for nothing.
    ///
    /// - Throws: ``UpgradeError/noise(_:)``
    mutating func seal(_ plaintext: ByteBuffer, into output: inout ByteBuffer) throws(UpgradeError) {
        var rest = plaintext
        while rest.readableBytes > 0 {
            let count = min(rest.readableBytes, NoiseFrame.plaintextLimit)
            do throws(NoiseError) {
                let sealed = try rest.withUnsafeReadableBytes { (bytes) throws(NoiseError) in
                    try ciphers.sending.seal(
                        UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), authenticating: [])
                }
                NoiseFrame.append(sealed, to: &output)
            } catch {
                throw .noise(error)
            }
            rest.moveReaderIndex(forwardBy: count)
        }
    }

    /// - Returns: all plaintext of the whole frames in `bytes`; what remains of them is left there.
    /// - Throws: ``UpgradeError/noise(_:)``
    mutating func open(_ bytes: inout ByteBuffer) throws(UpgradeError) -> ByteBuffer {
        var output = ByteBuffer()
        while try openFrame(of: &bytes, into: &output) {}
        return output
    }

    /// Opens the one frame at the front of `bytes`; false while it is not whole.
    mutating func openFrame(of bytes: inout ByteBuffer, into output: inout ByteBuffer) throws(UpgradeError) -> Bool {
        guard let frame = NoiseFrame.read(from: &bytes) else { return false }
        do throws(NoiseError) {
            let plaintext = try frame.withUnsafeReadableBytes { (sealed) throws(NoiseError) in
                try ciphers.receiving.open(sealed, authenticating: [])
            }
            output.writeBytes(plaintext)
        } catch {
            throw .noise(error)
        }
        return true
    }
}
