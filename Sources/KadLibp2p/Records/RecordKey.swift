import KadNode
import Multiformats

/// Keys of values: `/<namespace>/<name>`. The names of libp2p's own namespaces are the bytes of a peer id, not its text.
enum RecordKey {
    /// The peer whose id is the name in a key.
    ///
    /// - Throws: ``RecordFault``: `unknownNamespace`, `malformed` for a name that is no peer id of libp2p.
    static func peer(in key: [UInt8], namespace: String) throws(RecordFault) -> PeerID {
        let prefix = Array("/\(namespace)/".utf8)
        guard key.starts(with: prefix) else { throw .unknownNamespace(nil) }
        guard let id = PeerID(Array(key.dropFirst(prefix.count))), PeerIDEncoding.libp2p.admits(id) else {
            throw .malformed
        }
        return id
    }
}
