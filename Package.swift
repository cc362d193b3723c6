// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "kadstore",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Kademlia", targets: ["Kademlia"]),
        .library(name: "KadStore", targets: ["KadStore", "Multiformats"]),
        .library(name: "KadExchange", targets: ["KadExchange"]),
        .library(name: "KadNode", targets: ["KadNode", "KadEngine", "KadStore", "Multiformats"]),
        .library(name: "KadLibp2p", targets: ["KadLibp2p", "KadNode", "KadEngine", "KadStore", "Multiformats"]),
        .library(name: "KadSimulator", targets: ["KadSimulator"]),
        .executable(name: "kadstore", targets: ["KadStoreCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        // Its streams would link all of Foundation: 100 MB of a static command.
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        // The pure core: no I/O, no clock, no randomness of its own, no Foundation, no dependency.
        .target(name: "Kademlia"),
        // Peer ids and multiaddrs, as pure as the core.
        .target(name: "Multiformats", dependencies: ["Kademlia"]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
        .target(
            name: "Migrations", path: "Migrations", exclude: ["FILE.md"],
            resources: [
                .embedInCode("V0001_store.sql"), .embedInCode("V0002_engine.sql"), .embedInCode("V0003_values.sql"),
                .embedInCode("V0004_seals.sql"),
            ]),
        .target(
            name: "KadStore",
            dependencies: [
                "Kademlia", "Multiformats", "CSQLite", "Migrations", .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "KadExchange",
            dependencies: ["Kademlia", "Multiformats", "KadStore", .product(name: "Crypto", package: "swift-crypto")]),
        // What a node decides: the core's values joined with a store. Synchronous, driven by events and a clock handed in.
        .target(name: "KadEngine", dependencies: ["Kademlia", "Multiformats", "KadStore"]),
        // The async shell around the engine.
        .target(
            name: "KadNode",
            dependencies: [
                "Kademlia", "Multiformats", "KadStore", "KadEngine", .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        // The real transport: libp2p over TCP.
        .target(
            name: "KadLibp2p",
            dependencies: [
                "Kademlia", "Multiformats", "KadStore", "KadEngine", "KadNode",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Logging", package: "swift-log"), .product(name: "Metrics", package: "swift-metrics"),
            ],
            exclude: ["Protobuf/README.md", "Protobuf/Schemas"]),
        // A network under a virtual clock, which drives the same engine and the same store.
        .target(name: "KadSimulator", dependencies: ["Kademlia", "Multiformats", "KadStore", "KadEngine"]),
        // What swift-metrics counts, as Prometheus fetches it.
        .target(
            name: "KadMetrics",
            dependencies: [
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        // The command. Its folder is not named like its product: on a case-insensitive disk `kadstore` is `KadStore`.
        .executableTarget(
            name: "KadStoreCLI",
            dependencies: [
                "Kademlia", "Multiformats", "KadStore", "KadExchange", "KadEngine", "KadNode", "KadLibp2p",
                "KadMetrics", "KadSimulator",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"), .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        // A disk that fails: a VFS for SQLite, and the system calls that the store makes itself.
        .target(name: "CFaultVFS", dependencies: ["CSQLite"], path: "Tests/CFaultVFS"),
        .target(
            name: "TestSupport", dependencies: ["Kademlia", "KadStore", "CFaultVFS", "CSQLite"],
            path: "Tests/TestSupport"),
        .testTarget(
            name: "KademliaTests", dependencies: ["Kademlia", "TestSupport"], resources: [.copy("Fixtures")]),
        .testTarget(name: "KadStoreTests", dependencies: ["KadStore", "TestSupport"]),
        .testTarget(name: "KadEngineTests", dependencies: ["KadEngine", "KadStore", "TestSupport"]),
        .testTarget(
            name: "KadNodeTests",
            dependencies: [
                "KadNode", "KadEngine", "KadStore", "TestSupport", .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .testTarget(
            name: "KadLibp2pTests",
            dependencies: [
                "KadLibp2p", "KadNode", "KadEngine", "KadStore", "KadExchange", "Kademlia", "Multiformats",
                "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"), .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "KadMetricsTests",
            dependencies: [
                "KadMetrics", .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(name: "KadSimulatorTests", dependencies: ["KadSimulator", "KadStore", "TestSupport"]),
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
