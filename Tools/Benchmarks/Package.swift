// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that building kadstore never pays for it.
let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "kadstore", path: "../.."),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    ],
    targets: [
        // The physical limit: the same rows of the same file, in plain C.
        .target(name: "CBaseline", linkerSettings: [.linkedLibrary("sqlite3")]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "CBaseline",
                .product(name: "KadStore", package: "kadstore"), .product(name: "KadSimulator", package: "kadstore"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // Our side of the comparison with py-libp2p (see `libp2p`).
        .executableTarget(
            name: "Libp2pPeer", dependencies: [.product(name: "KadLibp2p", package: "kadstore")]),
    ],
    swiftLanguageModes: [.v6]
)
