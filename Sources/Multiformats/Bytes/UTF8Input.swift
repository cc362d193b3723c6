/// Calls `body` with the UTF-8 bytes of `text`: in place where the string holds them contiguously, as native ones do.
func withUTF8<Value, Failure: Error>(
    of text: some StringProtocol, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Value
) throws(Failure) -> Value {
    // The standard library's function rethrows untyped, so the error travels as a value.
    let inPlace = text.utf8.withContiguousStorageIfAvailable { bytes in
        do throws(Failure) {
            return Result<Value, Failure>.success(try body(bytes))
        } catch {
            return Result<Value, Failure>.failure(error)
        }
    }
    if let inPlace { return try inPlace.get() }
    return try Array(text.utf8).withUnsafeBufferPointer(body)
}

extension UnsafeBufferPointer<UInt8> {
    /// The part within `range`, counted from zero; bounds outside the buffer are clamped to it.
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: self[range.clamped(to: 0..<count)])
    }

    /// Text for an error message: at most `limit` bytes, with everything but printable ASCII shown as `\xNN`.
    func quoted(limit: Int = 32) -> String {
        var text = ""
        for byte in prefix(limit) {
            if (0x20..<0x7f).contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return count > limit ? text + "..." : text
    }
}
