// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that building kadstore never pays for it.
let package = Package(
    name: "Manual",
    platforms: [.macOS(.v15)],
    targets: [.executableTarget(name: "Manual")],
    swiftLanguageModes: [.v6]
)
