"""py-libp2p: our multiaddrs parse, go into its SQLite peerstore, and come back from there."""

import hashlib
import importlib.metadata

from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.peer.persistent import create_sync_sqlite_peerstore
from multiaddr import Multiaddr

from check import Table, expect_equal, knows_format

COUNT = 40


def run(folder):
    nodes = []
    for index in range(COUNT):
        keys = create_new_key_pair(hashlib.sha256(f"interop/{index}".encode()).digest())
        identity = ID.from_pubkey(keys.public_key).to_base58()
        nodes.append((identity, f"/ip4/127.0.0.1/tcp/{23_000 + index}"))
        if index % 2:
            nodes.append((identity, f"/ip6/::1/udp/{23_000 + index}/quic-v1"))
    table = Table(folder / "table.db", "libp2p")
    table.fill(nodes)
    text = table.write("multiaddrs", folder / "addresses.txt").read_text()

    path = folder / "peerstore.db"
    store = create_sync_sqlite_peerstore(path)
    for line in text.splitlines():
        info = info_from_p2p_addr(Multiaddr(line))
        store.add_addrs(info.peer_id, info.addrs, 86_400)
    store.close()

    store = create_sync_sqlite_peerstore(path)
    held = {(peer.to_base58(), str(address)) for peer in store.peer_ids() for address in store.addrs(peer)}
    store.close()
    expect_equal("what py-libp2p holds of our list", held, set(nodes))
    version = importlib.metadata.version("libp2p")
    yield f"py-libp2p {version}: takes our multiaddrs into its peerstore, and has them after reopening"

    if not knows_format("py-libp2p"):
        yield f"py-libp2p {version}: this kadstore does not read its peerstore: not compared"
        return
    back = Table(folder / "back.db", "libp2p")
    back.bring_in(path)
    expect_equal("peers after export, py-libp2p, import", back.peers(), set(nodes))
    yield f"py-libp2p {version}: its peerstore comes back as the same {COUNT} peers"
