// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "kadstore",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Kademlia", targets: ["Kademlia"]),
        .library(name: "KadStore", targets: ["KadStore", "Multiformats"]),
        .library(name: "KadExchange", targets: ["KadExchange"]),
        .executable(name: "kadstore", targets: ["KadStoreCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    ],
    targets: [
        // The pure core: no I/O, no clock, no randomness of its own, no Foundation, no dependency.
        .target(name: "Kademlia"),
        // Peer ids and multiaddrs, as pure as the core.
        .target(name: "Multiformats", dependencies: ["Kademlia"]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
        .target(
            name: "Migrations", path: "Migrations", exclude: ["FILE.md"], resources: [.embedInCode("V0001_store.sql")]),
        .target(
            name: "KadStore",
            dependencies: [
                "Kademlia", "Multiformats", "CSQLite", "Migrations", .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "KadExchange",
            dependencies: ["Kademlia", "Multiformats", "KadStore", .product(name: "Crypto", package: "swift-crypto")]),
        // The command. Its folder is not named like its product: on a case-insensitive disk `kadstore` is `KadStore`.
        .executableTarget(
            name: "KadStoreCLI",
            dependencies: [
                "Kademlia", "Multiformats", "KadStore", "KadExchange",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "TestSupport", dependencies: ["Kademlia"], path: "Tests/TestSupport"),
        .testTarget(
            name: "KademliaTests", dependencies: ["Kademlia", "TestSupport"], resources: [.copy("Fixtures")]),
        .testTarget(name: "KadStoreTests", dependencies: ["KadStore", "TestSupport"]),
        .testTarget(
            name: "KadStoreCLITests",
            dependencies: ["KadStoreCLI", "KadExchange", "KadStore", "Kademlia", "Multiformats"]),
        .testTarget(name: "MultiformatsTests", dependencies: ["Kademlia", "Multiformats"]),
        .testTarget(
            name: "KadExchangeTests",
            dependencies: ["Kademlia", "Multiformats", "KadStore", "KadExchange", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
