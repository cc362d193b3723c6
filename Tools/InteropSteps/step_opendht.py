"""OpenDHT: a dhtnode started with our state keeps our id, asks every node of it, and saves the same nodes."""

import random
import re
import subprocess

import msgpack

from check import Mismatch, Table, expect_equal, wait_until

HOST = "198.18.0.1"
COUNT = 6


class Running:
    """A dhtnode with its shell on a pipe."""

    def __init__(self, folder, port: int, state):
        self.port = port
        self.log = folder / f"dhtnode-{port}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(["dhtnode", "-p", str(port), "-f", str(state)], cwd=folder,
                                            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        found = wait_until(f"dhtnode on port {port} runs", 20,
                           lambda: re.search(r"OpenDHT node ([0-9a-f]{40}) running", self.text()))
        self.identity = found[1]

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def command(self, text: str) -> None:
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def known_nodes(self) -> tuple[int, int]:
        """How many nodes of IPv4 have answered, and how many more it knows."""
        self.command("ll")
        found = re.findall(r"Known nodes: (\d+) good, (\d+) dubious", self.text())
        # Each answer has a line for IPv4 and one for IPv6.
        good, dubious = found[(len(found) - 1) // 2 * 2] if found else ("0", "0")
        return int(good), int(dubious)

    def has_reached(self, count: int) -> bool:
        # Left alone it asks them in the course of minutes; a search asks them at once.
        self.command("g " + random.randbytes(20).hex())
        return self.known_nodes()[0] >= count

    def end(self) -> None:
        """At the end of its input it leaves, and saves its state."""
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Mismatch(f"dhtnode on port {self.port} does not end") from None


def run(folder):
    others = [Running(folder, 22_001 + i, folder / f"other-{i}.state") for i in range(COUNT)]
    nodes = [(node.identity, f"/ip4/{HOST}/udp/{node.port}") for node in others]
    own = random.Random(21).randbytes(20).hex()

    table = Table(folder / "table.db", "opendht")
    table.fill(nodes)
    state = table.with_identity(folder / "own.db", own).write("opendht-state", folder / "node.state")
    listed = table.write("opendht", folder / "nodes.msgpack").read_bytes()
    expect_equal("the nodes of the list and of the state",
                 msgpack.unpackb(listed), msgpack.unpackb(state.read_bytes())["nodes"])

    node = Running(folder, 22_000, state)
    try:
        expect_equal("the id of the node", node.identity, own)
        wait_until("all nodes known", 20, lambda: sum(node.known_nodes()) == COUNT)
        wait_until("all nodes reached", 40, lambda: node.has_reached(COUNT))
    finally:
        node.end()
        for other in others:
            other.end()

    saved = msgpack.unpackb(state.read_bytes())
    expect_equal("the id it saved", saved["id"].hex(), own)
    expect_equal("our list and its own, packed", {msgpack.packb(entry) for entry in msgpack.unpackb(listed)},
                 {msgpack.packb(entry) for entry in saved["nodes"]})
    back = Table(folder / "back.db", "opendht")
    back.bring_in(state)
    expect_equal("nodes after export, OpenDHT, import", back.peers(), set(nodes))
    array = Table(folder / "array.db", "opendht")
    packed = folder / "saved.msgpack"
    packed.write_bytes(msgpack.packb(saved["nodes"]))
    array.bring_in(packed)
    expect_equal("nodes of its list alone", array.peers(), set(nodes))
    yield f"dhtnode: starts from our state with our id, reaches its {COUNT} nodes, and saves the same bytes for each"
