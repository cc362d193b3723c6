"""The formats: how a file of each is made, and what reads and writes it in Python. A format that the command does not know is
left out of the run, with a word."""

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Optional

import orjson

import libraries as lib
import peers as made
from peers import DEVP2P, LIBP2P, MAINLINE, OPENDHT


@dataclass
class Format:
    name: str
    network: str
    # Writes the file to import; None: the command's own export is.
    make: Optional[Callable]
    # By the name of the library.
    readers: dict = field(default_factory=dict)
    writers: dict = field(default_factory=dict)
    # What the reader yields beyond the peers: a header and a footer.
    extra: int = 0
    restores: bool = False
    # The most peers that a file may hold.
    most: Optional[int] = None


def lines(line):
    return lambda all_peers, path: made.write_lines(all_peers, path, line)


JSON_READERS = {"json": lib.json_lines(json.loads), "orjson": lib.json_lines(orjson.loads)}

FORMATS = [
    Format("kadstore", LIBP2P, None, JSON_READERS, {"json": lib.write_json, "orjson": lib.write_orjson}, extra=2,
           restores=True),
    Format("csv", LIBP2P, partial(made.write_csv, network=LIBP2P), {"csv": lib.read_csv}, {"csv": lib.write_csv},
           extra=1),
    Format("multiaddrs", LIBP2P, lines(lambda peer: f"{peer.multiaddr()}/p2p/{peer.libp2p_id}\n"),
           {"multiaddr": lib.read_multiaddrs, "str": lib.read_text_multiaddrs}, {"multiaddr": lib.write_multiaddrs}),
    Format("kubo", LIBP2P, made.write_kubo, {"json, multiaddr": lib.read_kubo, "json": lib.read_kubo_json},
           # kadstore takes no configuration file of more than 16 MiB.
           most=150_000),
    Format("swarm-peers", LIBP2P, lines(made.swarm_peer),
           {"multiaddr": lib.read_swarm_peers, "str": lib.read_swarm_peers_text}),
    Format("swarm-addrs", LIBP2P, lines(made.swarm_addrs), {"multiaddr": lib.read_swarm_addrs}),
    Format("nebula", LIBP2P, lines(made.visit), JSON_READERS),
    Format("nebula-neighbors", LIBP2P, made.write_neighbors,
           {"json": lib.read_neighbors(json.loads), "orjson": lib.read_neighbors(orjson.loads)}),
    Format("py-libp2p", LIBP2P, made.write_py_libp2p, {"sqlite3, protobuf, multiaddr": lib.read_py_libp2p}),
    Format("libtorrent", MAINLINE, made.write_libtorrent, {"bencode.py": lib.read_libtorrent},
           {"bencode.py": lib.write_libtorrent}),
    Format("transmission", MAINLINE, made.write_transmission, {"bencode.py": lib.read_transmission},
           {"bencode.py": lib.write_transmission}),
    Format("opendht", OPENDHT, made.write_opendht, {"msgpack": lib.read_opendht}, {"msgpack": lib.write_opendht}),
    Format("devp2p", DEVP2P, made.write_devp2p, {"json, rlp": lib.read_devp2p}, {"json, rlp": lib.write_devp2p}),
]


def named(name):
    return next(format for format in FORMATS if format.name == name)
