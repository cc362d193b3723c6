/// Remembers what byte strings were turned into, so that a value that stands on a million lines is made once.
///
/// Direct-mapped: a fixed number of places, the newest of each wins. Memory is bounded whatever a file holds.
struct InternCache<Value> {
    private var entries: [(bytes: [UInt8], value: Value)?]

    private static var places: Int { 512 }
    /// Longer strings are not remembered.
    private static var longest: Int { 4_096 }

    init() { entries = Array(repeating: nil, count: Self.places) }

    mutating func value<Failure: Error>(
        of bytes: UnsafeBufferPointer<UInt8>, _ make: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        guard bytes.count <= Self.longest else { return try make(bytes) }
        // FNV-1a: short strings, and a collision costs no more than making the value anew.
        var hash: UInt32 = 0x811c_9dc5
        for byte in bytes { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let place = Int(hash ^ hash >> 16) % entries.count
        if let entry = entries[place], entry.bytes.withUnsafeBufferPointer({ $0.equals(bytes) }) { return entry.value }
        let value = try make(bytes)
        entries[place] = (Array(bytes), value)
        return value
    }
}
