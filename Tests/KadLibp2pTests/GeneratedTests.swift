import SwiftProtobuf
import Testing

@testable import KadLibp2p

@Suite("Generated messages")
struct GeneratedTests {
    @Test("an RSA key's type stands on the wire, though it is zero; a kad message's does not")
    func zeroes() throws {
        var key = PublicKeyMessage()
        key.type = .rsa
        key.data = .init([7])
        #expect(try Array(key.serializedBytes() as [UInt8]) == [0x08, 0x00, 0x12, 0x01, 0x07])
        #expect(try Array(KadMessage().serializedBytes() as [UInt8]) == [])
    }
}
