"""Peers to write into files: the same for the same seed. Their addresses are private: 10/8 and fd00::/8."""

import base64
import csv
import json
import random
import sqlite3
import struct
from dataclasses import dataclass

import base58
import bencodepy
import msgpack
import rlp

START_MS = 1_760_000_000_000
MAINLINE, OPENDHT, DEVP2P, LIBP2P = "mainline", "opendht", "devp2p", "libp2p"


@dataclass(slots=True)
class Peer:
    digest: bytes  # 32 random bytes, of which each network makes an id
    number: int

    @property
    def libp2p_bytes(self):  # the identity multihash of an Ed25519 key
        return b"\x00\x24\x08\x01\x12\x20" + self.digest

    @property
    def libp2p_id(self):
        return base58.b58encode(self.libp2p_bytes).decode()

    @property
    def ip4(self):
        # Spread over the /24 networks, as real peers are.
        scattered = (self.number * 40_503) & 0xFFFFFF
        return bytes([10]) + scattered.to_bytes(3, "big")

    @property
    def ip6(self):
        return b"\xfd\x00" + self.digest[:6] + self.number.to_bytes(8, "big")

    @property
    def ip4_text(self):
        return ".".join(map(str, self.ip4))

    @property
    def port(self):
        return 1_024 + self.number % 60_000

    def multiaddr(self, transport="tcp"):
        return f"/ip4/{self.ip4_text}/{transport}/{self.port}"

    @property
    def endpoint(self):  # as BitTorrent packs it; one in eight is of IPv6
        return (self.ip6 if self.number % 8 == 0 else self.ip4) + struct.pack(">H", self.port)


def peers(count, seed=4):
    source = random.Random(seed)
    return (Peer(source.randbytes(32), number) for number in range(count))


def stamp(milliseconds):
    seconds = START_MS // 1000 + milliseconds // 1000
    return f"2025-10-{9 + seconds % 20:02d}T{seconds % 24:02d}:{seconds % 60:02d}:00Z"


def write_csv(all_peers, path, network):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(
            "id,address,first_seen_ms,last_seen_ms,last_ok_ms,successes,failures,rtt_us,address_last_ok_ms,"
            "address_failures,agent,protocols,source,network".split(","))
        for peer in all_peers:
            size = {LIBP2P: None, DEVP2P: 32}.get(network, 20)
            name = peer.libp2p_id if size is None else peer.digest[:size].hex()
            address = peer.multiaddr("tcp" if network == LIBP2P else "udp")
            seen = START_MS + peer.number * 7
            rows.writerow([
                name, address, seen, seen + 3_600_000, "", 0, 0, "", "", 0, "kubo/0.30.0", "/ipfs/kad/1.0.0",
                "crawl", network])


def write_lines(all_peers, path, line):
    with open(path, "w") as file:
        for peer in all_peers:
            file.write(line(peer))


def write_kubo(all_peers, path):
    with open(path, "w") as file:
        json.dump({"Bootstrap": [f"{peer.multiaddr()}/p2p/{peer.libp2p_id}" for peer in all_peers]}, file, indent=2)


def swarm_peer(peer):
    return f"{peer.multiaddr()}/p2p/{peer.libp2p_id} {20 + peer.number % 200}ms outbound\n"


def swarm_addrs(peer):
    tcp, quic = peer.multiaddr(), f"{peer.multiaddr('udp')}/quic-v1"
    return f"{peer.libp2p_id} (2)\n\t{tcp}\n\t{quic}\n"


def visit(peer):
    tcp, quic = peer.multiaddr(), f"{peer.multiaddr('udp')}/quic-v1"
    failed = peer.number % 5 == 0
    return json.dumps({
        "PeerID": peer.libp2p_id, "Maddrs": [tcp, quic], "FilteredMaddrs": [], "ListenMaddrs": [tcp, quic],
        "ConnectMaddr": "" if failed else tcp, "Protocols": None if failed else ["/ipfs/kad/1.0.0", "/ipfs/id/1.0.0"],
        "AgentVersion": "" if failed else "kubo/0.30.0/", "ConnectDuration": "41.2ms", "CrawlDuration": "1.2s",
        "VisitStartedAt": stamp(peer.number), "VisitEndedAt": stamp(peer.number),
        "ConnectErrorStr": "io_timeout" if failed else "", "CrawlErrorStr": "", "Properties": None,
    }, separators=(",", ":")) + "\n"


def write_neighbors(all_peers, path):
    """Crawled peers with a hundred neighbours each; each peer stands in the file once."""
    with open(path, "w") as file:
        crawled, neighbors = None, []

        def end():
            if crawled:
                record = {"PeerID": crawled, "NeighborIDs": neighbors, "ErrorBits": "0"}
                file.write(json.dumps(record, separators=(",", ":")) + "\n")

        for peer in all_peers:
            if peer.number % 101 == 0:
                end()
                crawled, neighbors = peer.libp2p_id, []
            else:
                neighbors.append(peer.libp2p_id)
        end()


def write_devp2p(all_peers, path):
    with open(path, "w") as file:
        file.write("{\n")
        for peer in all_peers:
            # The signature is not one: nobody here checks it.
            record = rlp.encode([
                peer.digest * 2, b"\x01", b"id", b"v4", b"ip", peer.ip4, b"secp256k1", b"\x02" + peer.digest, b"tcp",
                struct.pack(">H", peer.port), b"udp", struct.pack(">H", peer.port)])
            text = "enr:" + base64.urlsafe_b64encode(record).rstrip(b"=").decode()
            value = {
                "seq": 1, "record": text, "score": peer.number % 10, "firstResponse": stamp(peer.number),
                "lastResponse": stamp(peer.number), "lastCheck": stamp(peer.number)}
            file.write(("" if peer.number == 0 else ",\n") + f'"{peer.digest.hex()}": ' + json.dumps(value))
        file.write("\n}\n")


def write_bencoded(value, path):
    with open(path, "wb") as file:
        file.write(bencodepy.encode(value))


def write_libtorrent(all_peers, path):
    nodes = [peer.endpoint for peer in all_peers]
    write_bencoded({b"dht state": {b"node-id": [b"\x01" * 20 + b"\x7f\0\0\1"], b"nodes": nodes}}, path)


def write_transmission(all_peers, path):
    endpoints = [peer.endpoint for peer in all_peers]
    write_bencoded({
        b"id": b"\x01" * 20, b"id_timestamp": START_MS // 1000, b"nodes": b"".join(e for e in endpoints if len(e) == 6),
        b"nodes6": b"".join(e for e in endpoints if len(e) == 18)}, path)


def write_opendht(all_peers, path):
    """Addresses as Linux has them in memory."""
    with open(path, "wb") as file:
        file.write(msgpack.packb([
            {"id": peer.digest[:20], "addr": b"\x02\x00" + struct.pack(">H", peer.port) + peer.ip4 + bytes(8)}
            for peer in all_peers]))


def write_py_libp2p(all_peers, path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE datastore (key BLOB PRIMARY KEY, value BLOB NOT NULL)")

    def rows():
        for peer in all_peers:
            address = b"\x04" + peer.ip4 + b"\x06" + struct.pack(">H", peer.port)
            # Field 1 of the message PeerAddresses.
            yield b"addr:" + peer.libp2p_bytes, b"\x0a" + bytes([len(address)]) + address

    with database:
        database.executemany("INSERT INTO datastore VALUES (?, ?)", rows())
    database.close()
