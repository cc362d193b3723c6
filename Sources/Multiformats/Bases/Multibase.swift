/// Multibase: text whose first character names the base of the rest.
enum Multibase {
    /// The base of a prefix; nil for one that is unknown or never used for hashes.
    static func base(prefix: UInt8) -> (any TextBase.Type)? {
        switch prefix {
        case UInt8(ascii: "b"), UInt8(ascii: "B"): Base32.self
        case UInt8(ascii: "f"), UInt8(ascii: "F"): Base16.self
        case UInt8(ascii: "k"), UInt8(ascii: "K"): Base36.self
        case UInt8(ascii: "z"): Base58.self
        case UInt8(ascii: "u"): Base64URL.self
        case UInt8(ascii: "m"): Base64.self
        default: nil
        }
    }
}
