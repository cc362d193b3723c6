// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "kadstore",
    platforms: [.macOS(.v15)],
    targets: [
        .target(name: "Kademlia"),
        .target(name: "Multiformats", dependencies: ["Kademlia"]),
        .testTarget(name: "KademliaTests", dependencies: ["Kademlia"], resources: [.copy("Fixtures")]),
    ],
    swiftLanguageModes: [.v6]
)
