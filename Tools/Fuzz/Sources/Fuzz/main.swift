// Fuzz TARGET [libFuzzer's arguments]
// Fuzz TARGET --seeds FOLDER
import CFuzzer
import Foundation

guard let name = CommandLine.arguments.dropFirst().first, let target = FuzzTarget.all.first(where: { $0.name == name })
else {
    print("targets: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
    exit(64)
}

if CommandLine.arguments.count == 4, CommandLine.arguments[2] == "--seeds" {
    let folder = URL(fileURLWithPath: CommandLine.arguments[3])
    for (number, seed) in try target.seeds().enumerated() {
        try Data(seed).write(to: folder.appendingPathComponent("\(number)"))
    }
    exit(0)
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
