import Kademlia
import Multiformats
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

@Suite("Text of IP addresses")
struct IPAddressTextTests {
    @Test(
        "RFC 5952: the canonical text of its examples",
        arguments: [
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0DB8::0001", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            (
                "2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001",
                "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"
            ),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"),
            ("1:0:0:0:0:0:0:0", "1::"), ("::ffff:c000:201", "::ffff:192.0.2.1"),
            ("::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("::1.2.3.4", "::102:304"),
            ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ])
    func canonical(text: String, canonical: String) {
        #expect(IPAddress(text: text)?.description == canonical)
    }

    @Test(
        "What is ambiguous, incomplete or trailed by anything is no address",
        arguments: [
            "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1..3.4", ".1.2.3.4", "1.2.3.4.",
            "1.2.3.4 ", "0x1.2.3.4", "1.2.3.1000", "+1.2.3.4", ":", ":::", "::1::", "1::2::3", "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "::1%eth0", "[::1]",
            "::1/64", "1:",
            "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "::1.2.3", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::00001",
            "::1.2.3.256",
        ])
    func refused(text: String) {
        #expect(IPAddress(text: text) == nil)
    }

    #if canImport(Glibc) || canImport(Darwin)
    @Test("Written IPv6 text is inet_ntop's, and inet_pton reads it back", arguments: [61 as UInt64])
    func writing(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<4000 {
            var bytes = generator.bytes(16)
            // Zero groups make the runs that RFC 5952 is about.
            let mask = generator.next()
            for group in 0..<8 where mask >> UInt64(group) & 1 == 1 {
                bytes[2 * group] = 0
                if mask >> UInt64(group + 8) & 3 != 0 { bytes[2 * group + 1] = 0 }
            }
            if round % 50 == 0 { bytes = [UInt8](repeating: 0, count: 10) + [255, 255] + bytes.suffix(4) }
            // inet_ntop writes ::1.2.3.4 for the deprecated IPv4-compatible addresses; RFC 5952 does not ask for it.
            if bytes.prefix(12).allSatisfy({ $0 == 0 }) { continue }
            let address = try #require(IPAddress(bytes: bytes))
            #expect(address.description == systemText(bytes), "seed \(seed), round \(round)")
            #expect(IPAddress(text: address.description) == address, "seed \(seed), round \(round)")
        }
    }

    @Test("Random text is an address exactly when inet_pton says so, and the same one", arguments: [62 as UInt64])
    func reading(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        let parts = [
            "0", "1", "ffff", "00ab", "::", ":", ":", ":", ".", "255", "1.2.3.4", "256", "12345", "g", "10",
        ]
        for round in 0..<60000 {
            var text = ""
            let count = Int.random(in: 1...16, using: &generator)
            for index in 0..<count {
                // Half of the texts alternate groups and separators, so that enough of them are addresses.
                if round.isMultiple(of: 2) {
                    text +=
                        index.isMultiple(of: 2)
                        ? generator.element(of: ["0", "1", "ffff", "00ab", "1.2.3.4"]) : ":"
                    if generator.next() % 12 == 0 { text += ":" }
                } else {
                    text += generator.element(of: parts)
                }
            }
            let expected = systemBytes(text)
            if expected != nil { accepted += 1 }
            #expect(IPAddress(text: text)?.bytes == expected, "seed \(seed), round \(round): \(text)")
        }
        #expect(accepted > 1000)
    }

    private func systemText(_ bytes: [UInt8]) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        guard inet_ntop(AF_INET6, bytes, &buffer, socklen_t(buffer.count)) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private func systemBytes(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
        return nil
    }
    #endif
}
