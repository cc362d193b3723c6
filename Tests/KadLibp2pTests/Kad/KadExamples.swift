import KadEngine
import KadNode
import KadStore
import Kademlia
import Multiformats

@testable import KadLibp2p

/// Messages as py-libp2p 0.8.1 writes them, each behind its length, of two nodes whose seeds are the SHA-256 of
/// `kadstore-interop/0` and `/1`.
enum KadExamples {
    static let id0 = bytes("00240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5")
    static let id1 = bytes("00240801122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b")

    /// Of node 0, with sequence number 7 and the address `/ip4/127.0.0.1/tcp/42100`.
    static let record = bytes(
        """
        0a240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5120203011a360a2600240801122079e354810beea2a1
        e317ccc4f8fb518d599023755423d7a835659e9110f9afe510071a0a0a08047f00000106a4742a40cb469926cf3e6fced0c64ff57f924b338701a9a8
        0514d522608dca30f49171531bc049001b257f1df77659ffe3adb58ca501e25d09ccbf8d2562e6a99c7eb90e
        """)

    /// FIND_NODE for node 1, with node 0's record.
    static let findNode = bytes(
        """
        d1010804122600240801122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b5aa4010a240801122079e354810beea2
        a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe5120203011a360a2600240801122079e354810beea2a1e317ccc4f8fb518d5990237554
        23d7a835659e9110f9afe510071a0a0a08047f00000106a4742a40cb469926cf3e6fced0c64ff57f924b338701a9a80514d522608dca30f49171531b
        c049001b257f1df77659ffe3adb58ca501e25d09ccbf8d2562e6a99c7eb90e
        """)

    /// An answer to it: node 1 at `/ip4/127.0.0.1/tcp/42101/p2p/<1>`; node 0 at `/ip6/::1/tcp/42100`, at an address that ends in
    /// node 1's id, and at one that cannot be read; node 0's record twice.
    static let peers = bytes(
        """
        a7040804425d0a2600240801122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b1231047f00000106a475a5032600
        240801122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b1801429c020a2600240801122079e354810beea2a1e317
        ccc4f8fb518d599023755423d7a835659e9110f9afe51214290000000000000000000000000000000106a4741231040a000001060001a50326002408
        01122087ee38a828d094e13138f6f5de506e1c1947c5f6643eb4aaecd14adef90d498b1202ffff22a4010a240801122079e354810beea2a1e317ccc4
        f8fb518d599023755423d7a835659e9110f9afe5120203011a360a2600240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a83565
        9e9110f9afe510071a0a0a08047f00000106a4742a40cb469926cf3e6fced0c64ff57f924b338701a9a80514d522608dca30f49171531bc049001b25
        7f1df77659ffe3adb58ca501e25d09ccbf8d2562e6a99c7eb90e5aa4010a240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835
        659e9110f9afe5120203011a360a2600240801122079e354810beea2a1e317ccc4f8fb518d599023755423d7a835659e9110f9afe510071a0a0a0804
        7f00000106a4742a40cb469926cf3e6fced0c64ff57f924b338701a9a80514d522608dca30f49171531bc049001b257f1df77659ffe3adb58ca501e2
        5d09ccbf8d2562e6a99c7eb90e
        """)

    /// `/test/hello` is to be `world`.
    static let putValue = bytes("23120b2f746573742f68656c6c6f1a140a0b2f746573742f68656c6c6f1205776f726c64")
    /// The same, received at `2026-11-23T01:02:03.450Z`.
    static let putEcho = bytes(
        """
        3d120b2f746573742f68656c6c6f1a2e0a0b2f746573742f68656c6c6f1205776f726c642a18323032362d31312d32335430313a30323a30332e3435
        305a
        """)
    static let getValue = bytes("0f0801120b2f746573742f68656c6c6f")
    static let value = bytes(
        """
        420801120b2f746573742f68656c6c6f1a310a0b2f746573742f68656c6c6f1205776f726c642a1b323032362d31312d32335430313a30323a30332e
        3435303030305a
        """)
    /// Node 0, at `/ip4/127.0.0.1/tcp/42100/p2p/<0>`, provides ``provided``.
    static let addProvider = bytes(
        """
        83010802122212202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48814a5b0a2600240801122079e354810beea2a1e317
        ccc4f8fb518d599023755423d7a835659e9110f9afe51231047f00000106a474a5032600240801122079e354810beea2a1e317ccc4f8fb518d599023
        755423d7a835659e9110f9afe5
        """)
    static let getProviders = bytes("260803122212202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
    static let ping = bytes("020805")

    /// The multihash of `x`.
    static let provided = bytes("12202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")

    static let all = [
        findNode, peers, putValue, putEcho, getValue, value, addProvider, getProviders, ping,
    ]

    /// The same without its sender's signed record.
    static func unsigned(_ frame: [UInt8]) throws -> [UInt8] {
        var message = try message(frame)
        message.senderRecord = .init()
        return Array(FrameDecoder.frame(try message.written()).readableBytesView)
    }

    /// The message behind its length.
    static func message(_ frame: [UInt8]) throws -> KadMessage {
        var decoder = FrameDecoder()
        decoder.append(FrameDecoder.frame([]))
        _ = try decoder.next(limit: 0)
        decoder.append(.init(bytes: frame))
        guard let bytes = try decoder.next(limit: KadProtocol.messageLimit) else { throw KadFault.ended }
        return try KadMessage.reading(bytes)
    }

    static func bytes(_ hex: String) -> [UInt8] {
        Hex.decode(String(hex.filter { !$0.isNewline })) ?? []
    }
}

extension Peer {
    static func of(_ id: PeerID) throws -> Peer { Peer(id: id, key: try Network.libp2p.key(of: id)) }
    static func of(_ id: [UInt8]) throws -> Peer {
        guard let id = PeerID(id) else { throw KadFault.badKey }
        return try of(id)
    }
}
