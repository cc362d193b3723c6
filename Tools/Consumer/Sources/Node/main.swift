import KadEngine
import KadNode
import KadStore
import Kademlia

let world = try World(peers: 200)  // a Transport, which is one method; this one never leaves the process
let store = try await Store.open("node.db", mode: .create(.libp2p, .private))
let node = try await KadNode(store: store, id: world.ownID, transport: world, bootstrap: world.bootstrap)
let running = Task { try await node.run() }  // a Service: a ServiceGroup can run it, too
let target = LookupTarget(key: store.network.target(hashing: "hello".utf8))
for peer in try await node.closest(to: target) {
    print(store.network.idEncoding.encode(peer.peer.id), peer.addresses)
}
running.cancel()
try await running.value
try await store.close()
