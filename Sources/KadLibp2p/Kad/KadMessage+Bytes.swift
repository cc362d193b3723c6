import SwiftProtobuf

extension KadMessage {
    /// Reads a message as it came from the wire.
    ///
    /// Peers beyond ``KadProtocol/closerLimit`` and ``KadProtocol/providerLimit``, and those of more than
    /// ``KadProtocol/peerByteLimit`` bytes, are left out before anything is made of them.
    ///
    /// - Throws: ``KadFault/malformed``.
    /// - Complexity: O(bytes); some ten times their memory at most.
    static func reading(_ bytes: [UInt8]) throws(KadFault) -> KadMessage {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        // A message, a peer or record in it: nothing nests deeper.
        options.messageDepthLimit = 4
        let kept = try sieved(bytes)
        guard let message = try? KadMessage(serializedBytes: kept, options: options) else { throw .malformed }
        return message
    }

    /// The message's bytes.
    ///
    /// - Throws: ``KadFault/malformed`` where the library cannot make them, which it can for every message that is made here.
    func written() throws(KadFault) -> [UInt8] {
        guard let bytes: [UInt8] = try? serializedBytes() else { throw .malformed }
        return bytes
    }

    private static let closerField: UInt64 = 8
    private static let providerField: UInt64 = 9

    /// The message without the peers that are too many or too long. Most have none, and are not copied.
    private static func sieved(_ bytes: [UInt8]) throws(KadFault) -> [UInt8] {
        let dropped = try bytes.withUnsafeBufferPointer { (bytes) throws(KadFault) in try surplus(bytes) }
        guard !dropped.isEmpty else { return bytes }
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var position = 0
        for range in dropped {
            kept.append(contentsOf: bytes[position..<range.lowerBound])
            position = range.upperBound
        }
        kept.append(contentsOf: bytes[position...])
        return kept
    }

    /// Where peers stand that are too many or too long, in order.
    private static func surplus(_ bytes: UnsafeBufferPointer<UInt8>) throws(KadFault) -> [Range<Int>] {
        var fields = MessageFields(bytes)
        var closer = KadProtocol.closerLimit
        var providers = KadProtocol.providerLimit
        var surplus: [Range<Int>] = []
        while let field = try fields.next() {
            let isFitting = field.count <= KadProtocol.peerByteLimit
            switch field.number {
            case closerField where isFitting && closer > 0: closer -= 1
            case providerField where isFitting && providers > 0: providers -= 1
            case closerField, providerField:
                if let last = surplus.last, last.upperBound == field.range.lowerBound {
                    surplus[surplus.count - 1] = last.lowerBound..<field.range.upperBound
                } else {
                    surplus.append(field.range)
                }
            default: break
            }
        }
        return surplus
    }
}
