"""libtorrent: our state starts a session, which finds every node of it, and saves a state that holds the same nodes."""

import random
import time

import bencodepy
import libtorrent

import mainline
from check import Table, expect_equal, wait_until

SETTINGS = {
    "listen_interfaces": "198.18.0.2:6881,[2001:db8::2]:6881",
    "enable_dht": False,
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    # All nodes are neighbours here, and none has an id that its address proves.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
}


def run(folder):
    own = random.Random(1).randbytes(20)
    v4 = mainline.identities_around(own, depth=5, each=8, seed=2)
    v6 = mainline.identities_around(own, depth=2, each=4, seed=3)
    nodes = [mainline.Node(identity, f"198.18.1.{i + 1}", 20_000 + i) for i, identity in enumerate(v4)]
    nodes += [mainline.Node(identity, f"2001:db8::{i + 3:x}", 20_100 + i) for i, identity in enumerate(v6)]
    wanted = {node.multiaddr for node in nodes}

    table = Table(folder / "table.db", "mainline")
    table.fill([(node.identity.hex(), node.multiaddr) for node in nodes])
    state = table.with_identity(folder / "own.db", own.hex()).write("libtorrent", folder / "state.dat").read_bytes()

    for name, start in (("read_session_params", start_new), ("load_state", start_old)):
        swarm = mainline.Swarm(nodes)
        swarm.start()
        session = start(state)
        try:
            wait_until(f"{name}: all nodes asked", 30, lambda: len(swarm.asked) == len(nodes))
            saved = wait_until(f"{name}: all nodes in the saved state", 30, lambda: saved_state(session, len(nodes)))
        finally:
            session.pause()
            del session
            swarm.isStopped = True
            swarm.join()
        file = folder / f"{name}.dat"
        file.write_bytes(saved)
        back = Table(folder / f"{name}.db", "mainline")
        back.bring_in(file)
        expect_equal(f"{name}: endpoints after export, libtorrent, import", back.candidates(), wanted)
        yield (f"{libtorrent.__version__}: {name} takes our {len(nodes)} nodes (IPv4 and IPv6), asks them all, "
               "and saves the same")


def start_new(state: bytes):
    parameters = libtorrent.read_session_params(state)
    parameters.settings = SETTINGS
    return begun(libtorrent.session(parameters))


def start_old(state: bytes):
    session = libtorrent.session(SETTINGS)
    session.load_state(libtorrent.bdecode(state))
    return begun(session)


def begun(session):
    """Begins with the DHT once the session listens. Without routers to look up, libtorrent would begin at once, find no
    socket to ask from, and forget the state."""
    wait_until("libtorrent listens", 20, session.is_listening)
    session.apply_settings({"enable_dht": True})
    return session


def saved_state(session, count: int):
    """The saved state, once it has as many nodes."""
    time.sleep(0.3)
    saved = libtorrent.write_session_params_buf(session.session_state(), libtorrent.save_state_flags_t.save_dht_state)
    state = bencodepy.Bencode(encoding=None).decode(saved).get(b"dht state", {})
    return saved if len(state.get(b"nodes", [])) >= count else None
