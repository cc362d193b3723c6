"""What a user of each library does with a file: `read` yields its objects, `write` writes a list of them.

Where several libraries are usual, each has an entry; the reader that only cuts text apart (`str`) is the least that
can be done. The functions are called in a process of their own.
"""

import base64
import csv
import json
import socket
import sqlite3
import struct

import bencodepy
import msgpack
import orjson
import rlp
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from multiaddr import Multiaddr


def endpoint(packed):
    family = socket.AF_INET if len(packed) == 6 else socket.AF_INET6
    return socket.inet_ntop(family, packed[:-2]), struct.unpack(">H", packed[-2:])[0]


def packed(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.inet_pton(family, address[0]) + struct.pack(">H", address[1])


def json_lines(loads):
    def read(path):
        with open(path, "rb") as file:
            yield from map(loads, file)

    return read


def write_json(objects, path):
    with open(path, "w") as file:
        for value in objects:
            file.write(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n")


def write_orjson(objects, path):
    with open(path, "wb") as file:
        for value in objects:
            file.write(orjson.dumps(value) + b"\n")


def read_csv(path):
    with open(path, newline="") as file:
        yield from csv.reader(file)


def write_csv(objects, path):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(objects)


def read_multiaddrs(path):
    with open(path) as file:
        for line in file:
            yield Multiaddr(line.strip())


def write_multiaddrs(objects, path):
    with open(path, "w") as file:
        for value in objects:
            file.write(str(value) + "\n")


def read_text_multiaddrs(path):
    with open(path) as file:
        for line in file:
            yield line.strip().rpartition("/p2p/")


def read_kubo(path):
    with open(path) as file:
        yield from map(Multiaddr, json.load(file)["Bootstrap"])


def read_kubo_json(path):
    with open(path) as file:
        yield from json.load(file)["Bootstrap"]


def read_swarm_peers(path):
    with open(path) as file:
        for line in file:
            if not line.startswith("  "):
                address, *more = line.split()
                yield Multiaddr(address), more


def read_swarm_peers_text(path):
    with open(path) as file:
        for line in file:
            if not line.startswith("  "):
                yield line.split()


def read_swarm_addrs(path):
    with open(path) as file:
        peer, addresses = None, []
        for line in file:
            if line.startswith("\t"):
                addresses.append(Multiaddr(line.strip()))
            else:
                if peer:
                    yield peer, addresses
                peer, addresses = line.split()[0], []
        if peer:
            yield peer, addresses


def read_neighbors(loads):
    def read(path):
        for record in json_lines(loads)(path):
            yield record["PeerID"]
            yield from record["NeighborIDs"]

    return read


def read_devp2p(path):
    with open(path) as file:
        for key, value in json.load(file).items():
            text = value["record"][4:]
            value["record"] = rlp.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            yield key, value


def write_devp2p(objects, path):
    nodes = {}
    for key, value in objects:
        record = base64.urlsafe_b64encode(rlp.encode(value["record"])).rstrip(b"=").decode()
        nodes[key] = value | {"record": "enr:" + record}
    with open(path, "w") as file:
        json.dump(nodes, file, indent=2)


def read_libtorrent(path):
    with open(path, "rb") as file:
        state = bencodepy.decode(file.read())[b"dht state"]
    yield from map(endpoint, state[b"nodes"])


def write_libtorrent(objects, path):
    with open(path, "wb") as file:
        state = {b"node-id": [bytes(24)], b"nodes": [packed(value) for value in objects]}
        file.write(bencodepy.encode({b"dht state": state}))


def read_transmission(path):
    with open(path, "rb") as file:
        state = bencodepy.decode(file.read())
    for name, size in ((b"nodes", 6), (b"nodes6", 18)):
        data = state.get(name, b"")
        for start in range(0, len(data), size):
            yield endpoint(data[start:start + size])


def write_transmission(objects, path):
    nodes = [packed(value) for value in objects]
    with open(path, "wb") as file:
        file.write(bencodepy.encode({
            b"id": bytes(20), b"id_timestamp": 0, b"nodes": b"".join(node for node in nodes if len(node) == 6),
            b"nodes6": b"".join(node for node in nodes if len(node) == 18)}))


def read_opendht(path):
    with open(path, "rb") as file:
        value = msgpack.unpackb(file.read())
    for node in value if isinstance(value, list) else value["nodes"]:
        address = node["addr"]
        yield node["id"], endpoint(
            address[4:8] + address[2:4] if len(address) == 16 else address[8:24] + address[2:4])


def write_opendht(objects, path):
    with open(path, "wb") as file:
        file.write(msgpack.packb([
            {"id": name, "addr": b"\x02\x00" + packed(address)[-2:] + packed(address)[:-2] + bytes(8)}
            for name, address in objects]))


def peer_addresses():
    """The message of py-libp2p, of which the library alone is too much to install."""
    file = descriptor_pb2.FileDescriptorProto(name="peerstore.proto", package="peerstore", syntax="proto3")
    file.message_type.add(name="PeerAddresses").field.add(name="addresses", number=1, type=12, label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("peerstore.PeerAddresses"))


def read_py_libp2p(path):
    message = peer_addresses()
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    prefix = b"addr:"
    query = "SELECT key, value FROM datastore WHERE substr(key, 1, ?) = ?"
    for key, value in database.execute(query, (len(prefix), prefix)):
        yield key[len(prefix):], [Multiaddr(address) for address in message.FromString(value).addresses]
