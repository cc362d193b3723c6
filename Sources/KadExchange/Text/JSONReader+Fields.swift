import KadStore
import Kademlia
import Multiformats

/// The types of fields that records have. Each names its field in what it throws.
extension JSONReader {
    mutating func number(_ name: String) throws(RejectionReason) -> Int64 {
        guard let value = try integer() else { throw .wrongType(name, expected: "a whole number") }
        return value
    }

    /// A number that is not negative.
    mutating func count(_ name: String) throws(RejectionReason) -> Int64 {
        let value = try number(name)
        guard value >= 0 else { throw .wrongType(name, expected: "a number from 0") }
        return value
    }

    mutating func instant(_ name: String) throws(RejectionReason) -> Instant {
        Instant(milliseconds: try number(name))
    }

    /// A string as it stands.
    mutating func text(_ name: String) throws(RejectionReason) -> Text {
        guard next == UInt8(ascii: "\"") else {
            try skip()
            throw .wrongType(name, expected: "text")
        }
        return try text()
    }

    mutating func string(_ name: String) throws(RejectionReason) -> String { try text(name).string() }

    mutating func list<Element>(
        _ name: String, _ element: (inout JSONReader) throws(RejectionReason) -> Element
    ) throws(RejectionReason) -> [Element] {
        var elements: [Element] = []
        try forEach(name) { (reader) throws(RejectionReason) in elements.append(try element(&reader)) }
        return elements
    }

    mutating func forEach(
        _ name: String, _ element: (inout JSONReader) throws(RejectionReason) -> Void
    ) throws(RejectionReason) {
        guard next == UInt8(ascii: "[") else {
            try skip()
            throw .wrongType(name, expected: "a list")
        }
        try array(element)
    }

    mutating func members(
        _ name: String, _ member: (Text, inout JSONReader) throws(RejectionReason) -> Void
    ) throws(RejectionReason) {
        guard next == UInt8(ascii: "{") else {
            try skip()
            throw .wrongType(name, expected: "an object")
        }
        try object(member)
    }

    mutating func address(_ name: String) throws(RejectionReason) -> Multiaddr {
        try text(name).address()
    }

    mutating func id(_ name: String, _ network: Network) throws(RejectionReason) -> PeerID {
        try text(name).withUTF8 { (utf8) throws(RejectionReason) in
            try NativeID.decode(utf8, network.idEncoding)
        }
    }

    /// A key in hexadecimal, as wide as the network's.
    mutating func key(_ name: String, _ network: Network) throws(RejectionReason) -> Key {
        var bytes: [UInt8] = []
        try text(name).withUTF8 { (utf8) throws(RejectionReason) in
            guard utf8.count == 2 * network.keyByteCount,
                (try? PeerIDEncoding.hex.decode(utf8: utf8, appendingTo: &bytes)) != nil
            else { throw .wrongType(name, expected: "a key of \(network.keyByteCount) bytes in hexadecimal") }
        }
        return Key(bytes: bytes) ?? .zero
    }

    mutating func failureClass(_ name: String) throws(RejectionReason) -> FailureClass {
        guard let value = FailureClass(name: try string(name)) else {
            throw .wrongType(name, expected: "a failure class")
        }
        return value
    }

    mutating func group(_ name: String) throws(RejectionReason) -> NetworkGroup {
        guard let group = Hex.decode(try string(name)).flatMap(NetworkGroup.init(bytes:)) else {
            throw .wrongType(name, expected: "a network group")
        }
        return group
    }

    mutating func lookupReason(_ name: String) throws(RejectionReason) -> Lookup.FinishReason {
        guard let value = Lookup.FinishReason(name: try string(name)) else {
            throw .wrongType(name, expected: "the end of a lookup")
        }
        return value
    }
}

extension JSONReader.Text {
    func address() throws(RejectionReason) -> Multiaddr {
        try withUTF8 { (utf8) throws(RejectionReason) in
            do throws(MultiaddrError) {
                return try Multiaddr(utf8: utf8)
            } catch {
                throw .address(error)
            }
        }
    }
}

/// The types of fields that other programs' records have.
extension JSONReader {
    /// Elements of a list that are looked at: no honest peer comes near it.
    static let listLimit = 256

    /// The id of a peer, in the network's own text.
    mutating func peerID(_ name: String, _ encoding: PeerIDEncoding) throws(RejectionReason) -> PeerID {
        try text(name).withUTF8 { (utf8) throws(RejectionReason) in try PeerID(text: utf8, encoding) }
    }

    /// A date and time (RFC 3339).
    mutating func stamp(_ name: String) throws(RejectionReason) -> Instant {
        let stamp = try text(name).withUTF8 { Instant(rfc3339: $0) }
        guard let stamp else { throw .wrongType(name, expected: "a date and time (RFC 3339)") }
        return stamp
    }

    /// Adds a list of addresses, each once; null is an empty one.
    ///
    /// - Returns: how many could not be read: newer programs know protocols that are unknown here.
    mutating func addresses(_ name: String, into addresses: inout [Multiaddr]) throws(RejectionReason) -> Int {
        if try takeNull() { return 0 }
        var unreadable = 0
        try forEach(name) { (reader) throws(RejectionReason) in
            let text = try reader.text(name)
            guard addresses.count < Self.listLimit else { return }
            let address = try text.withUTF8 { try? Multiaddr(utf8: $0) }
            guard let address else {
                unreadable += 1
                return
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        return unreadable
    }
}

extension PeerID {
    /// The id that a text stands for in a network.
    init(text: UnsafeBufferPointer<UInt8>, _ encoding: PeerIDEncoding) throws(RejectionReason) {
        do throws(PeerIDError) {
            self = try encoding.decode(utf8: text)
        } catch {
            throw .peerID(error)
        }
    }
}
