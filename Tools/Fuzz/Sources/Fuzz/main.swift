// fuzz TARGET [libFuzzer's arguments]
import CFuzzer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

let targets = handshakeTargets + muxerTargets + messageTargets + formatTargets

guard let name = CommandLine.arguments.dropFirst().first, let target = targets.first(where: { $0.name == name }) else {
    print("targets: \(targets.map(\.name).joined(separator: " "))")
    exit(64)
}

/// Where the callback, a C function, finds it.
private nonisolated(unsafe) var chosen = target

var arguments: [UnsafeMutablePointer<CChar>?] =
    CommandLine.arguments.enumerated()
    .filter { $0.offset != 1 }.map { strdup($0.element) } + [nil]
var count = CInt(arguments.count - 1)
arguments.withUnsafeMutableBufferPointer { buffer in
    var start = buffer.baseAddress
    _ = LLVMFuzzerRunDriver(&count, &start) { bytes, count in
        do {
            try chosen.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
        } catch {
            fatalError("\(chosen.name): \(error)")
        }
        return 0
    }
}
