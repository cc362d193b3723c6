// swift-tools-version: 6.1
import PackageDescription

// A package of its own: everything in it and below it is built with a sanitizer (see `run`).
let package = Package(
    name: "Stress",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "kadstore", path: "../..")],
    targets: [
        .executableTarget(
            name: "Stress",
            dependencies: [
                .product(name: "KadStore", package: "kadstore"), .product(name: "KadNode", package: "kadstore"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
