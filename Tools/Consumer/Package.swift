// swift-tools-version: 6.1
import PackageDescription

// Embeds the libraries as any other program would. The main files are the examples of the README.
let package = Package(
    name: "Consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "kadstore", path: "../..")],
    targets: [
        .executableTarget(name: "Consumer", dependencies: [.product(name: "KadStore", package: "kadstore")]),
        .executableTarget(name: "Node", dependencies: [.product(name: "KadNode", package: "kadstore")]),
    ],
    swiftLanguageModes: [.v6]
)
