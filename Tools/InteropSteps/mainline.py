"""A swarm of small mainline DHT nodes (BEP 5), each with a socket of its own. They answer what they are asked and tell of
no other node: whom a program asks, it knows from its file."""

import random
import selectors
import socket
import threading

import bencodepy

bencode = bencodepy.Bencode(encoding=None, dict_ordered=False)


class Node:
    def __init__(self, identity: bytes, host: str, port: int):
        self.identity, self.host, self.port = identity, host, port
        self.isV6 = ":" in host
        self.socket = socket.socket(socket.AF_INET6 if self.isV6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.setblocking(False)

    @property
    def multiaddr(self) -> str:
        return f"/{'ip6' if self.isV6 else 'ip4'}/{self.host}/udp/{self.port}"


def identities_around(own: bytes, depth: int, each: int, seed: int) -> list[bytes]:
    """As many ids in each of the first buckets of a node with the id `own`."""
    generator = random.Random(seed)
    ids = []
    for shared in range(depth):
        for _ in range(each):
            number = int.from_bytes(own, "big") ^ (1 << (159 - shared))
            number ^= generator.getrandbits(159 - shared)
            ids.append(number.to_bytes(20, "big"))
    return ids


class Swarm(threading.Thread):
    def __init__(self, nodes: list[Node]):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.asked: list[Node] = []
        """The nodes that were asked something, each once, in the order it came."""
        self.askers: set = set()
        self.lock = threading.Lock()
        self.isStopped = False
        self.selector = selectors.DefaultSelector()
        for node in nodes:
            self.selector.register(node.socket, selectors.EVENT_READ, node)

    def run(self) -> None:
        while not self.isStopped:
            for key, _ in self.selector.select(0.1):
                try:
                    packet, sender = key.fileobj.recvfrom(4096)
                    self.answer(key.data, bencode.decode(packet), sender)
                except (OSError, bencodepy.BencodeDecodeError):
                    continue

    def answer(self, node: Node, message: dict, sender) -> None:
        if not isinstance(message, dict) or message.get(b"y") != b"q":
            return
        with self.lock:
            if node not in self.asked:
                self.asked.append(node)
            self.askers.add(sender)
        reply = {b"id": node.identity}
        if message[b"q"] in (b"find_node", b"get_peers"):
            reply[b"nodes6" if node.isV6 else b"nodes"] = b""
            reply[b"token"] = b"interop"
        elif message[b"q"] != b"ping":
            return
        node.socket.sendto(bencode.encode({b"t": message[b"t"], b"y": b"r", b"r": reply}), sender)

    def volunteer(self, transaction: bytes) -> None:
        """Every node answers, unasked, a ping that whoever asked any of them may have sent."""
        with self.lock:
            askers = list(self.askers)
        for node in self.nodes:
            for asker in askers:
                reply = {b"t": transaction, b"y": b"r", b"r": {b"id": node.identity}}
                node.socket.sendto(bencode.encode(reply), asker)

    def stop(self) -> None:
        self.isStopped = True
        self.join()
        for node in self.nodes:
            node.socket.close()
