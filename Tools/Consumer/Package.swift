// swift-tools-version: 6.1
import PackageDescription

// Embeds the library as any other program would. Its main file is the example of the README.
let package = Package(
    name: "Consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "kadstore", path: "../..")],
    targets: [
        .executableTarget(name: "Consumer", dependencies: [.product(name: "KadStore", package: "kadstore")])
    ],
    swiftLanguageModes: [.v6]
)
