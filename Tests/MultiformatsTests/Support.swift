import Kademlia

/// Random inputs of tests, drawn from a seeded generator.
extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }

    mutating func element<Element>(of choices: [Element]) -> Element {
        choices[Int.random(in: choices.indices, using: &self)]
    }
}

/// Calls `body` with the UTF-8 of `text`, as an importer would.
func utf8<Value, Failure: Error>(
    _ text: String, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Value
) throws(Failure) -> Value {
    try Array(text.utf8).withUnsafeBufferPointer(body)
}

/// The bytes of hexadecimal text in a test; empty text for a typing error, which no vector equals.
func hex(_ text: String) -> [UInt8] { Hex.decode(text) ?? [] }
