import KadStore
import Kademlia
import Multiformats

let store = try await Store.open("peers.db", mode: .create(.libp2p, .private))
let id = try PeerIDEncoding.libp2p.decode("12D3KooWJ2AYycHCAarHgrHqFRMY3oRKfFgkKpcpARZUivnwWszk")
let peer = try store.peer(id)  // hashes the id, once in its life
let address = try Multiaddr("/ip4/192.0.2.1/tcp/4001")
try store.record(.heard(peer, addresses: [address], source: "bootstrap", at: .systemClock()))
try store.record(.answered(peer, address: address, rtt: 41_200, at: .systemClock()))
for near in try store.nearest(to: store.network.target(hashing: "hello".utf8), count: 20).peers {
    print(PeerIDEncoding.libp2p.encode(near.id), near.addresses.map(\.description))
}
try await store.close()
