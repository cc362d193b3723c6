import KadStore
import Kademlia
import Multiformats

/// The nodes that OpenDHT's `DhtRunner::exportNodes` gives and `bootstrap` takes, packed as Jami keeps them: MessagePack
/// (OpenDHT, `node.h` and `node_export.h`).
///
///     [ { id: bin of 20, addr: bin of 16 or 28, a sockaddr_in or sockaddr_in6 of the host }, … ]
enum OpenDHTFormat: FormatCodec {
    static var summary: String { "OpenDHT's exported nodes" }
    static var networks: [Network]? { [.opendht] }
    static var isText: Bool { false }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        guard let array = sample.messagePackHeader(at: 0), array.kind == .array else { return .no }
        if array.count == 0 { return sample.isWhole && sample.bytes.count == array.length ? .yes() : .no }
        return sample.beginsMap(at: array.length, with: ["id", "addr"]) ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        OpenDHTReader(input, network: network)
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? { OpenDHTWriter(state: false, id: nil) }
}

/// The state that an OpenDHT node keeps in a file (`dhtnode --persist`): the same nodes in a map, with the node's own id
/// and the values that it stores (OpenDHT, `Dht::saveState`).
///
///     { v: 1, id: bin of 20, nodes: [ … ], values: [ … ] }
///
/// Values are passed over: they are other people's data.
enum OpenDHTStateFormat: FormatCodec {
    static var summary: String { "the state of an OpenDHT node (dhtnode --persist)" }
    static var networks: [Network]? { [.opendht] }
    static var isText: Bool { false }
    static var canExport: Bool { true }

    static func recognise(_ sample: FileSample) -> Recognition {
        sample.beginsMap(at: 0, with: ["v", "id", "nodes", "values"]) ? .yes() : .no
    }

    static func reader(_ input: ByteInput, network: Network) -> any FormatReader {
        OpenDHTReader(input, network: network)
    }

    static func writer(_ context: ExportContext) -> (any FormatWriter)? {
        OpenDHTWriter(state: true, id: context.identity?.peer.id)
    }
}

extension FileSample {
    fileprivate func messagePackHeader(at offset: Int) -> MessagePackHeader? {
        (try? MessagePackHeader.parse(bytes.part(offset..<max(offset, bytes.count)))) ?? nil
    }

    /// Whether a map stands at `offset`, and its first key is one of these.
    fileprivate func beginsMap(at offset: Int, with keys: [StaticString]) -> Bool {
        guard let map = messagePackHeader(at: offset), map.kind == .map, map.count > 0,
            let key = messagePackHeader(at: offset + map.length), key.kind == .string, key.count < 16
        else { return false }
        let start = offset + map.length + key.length
        let name = bytes.part(start..<(start + key.count))
        return keys.contains { name.equals($0) }
    }
}
