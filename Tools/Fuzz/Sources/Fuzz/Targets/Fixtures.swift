import Foundation

/// The files that the tests read.
enum Fixtures {
    static func bytes(_ name: String) throws -> [UInt8] {
        // Behind a link, this file is in two places.
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let file = folder.appendingPathComponent("Tests/Fixtures/\(name)")
            if FileManager.default.fileExists(atPath: file.path) { return [UInt8](try Data(contentsOf: file)) }
        }
        throw Broken(description: "no sample \(name)")
    }
}
