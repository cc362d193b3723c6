"""The two kinds of peers that the steps talk to: a swarm of py-libp2p nodes, and nodes of ours, each a process."""

import hashlib
import itertools
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

from libp2p.peer.id import ID

from check import Mismatch, kadstore


class Lines(threading.Thread):
    """What a process says on its standard output, as objects. A thread of its own reads, so that none of it waits."""

    def __init__(self, process: subprocess.Popen, take):
        super().__init__(daemon=True)
        self.process, self.take = process, take
        self.start()

    def run(self) -> None:
        for line in self.process.stdout:
            self.take(json.loads(line))
        self.take(None)


class Swarm:
    """py-libp2p nodes in one process (swarm.py)."""

    def __init__(self, count: int, seed: str = "kadstore", muxer: str = "YAMUX"):
        script = pathlib.Path(__file__).with_name("swarm.py")
        self.process = subprocess.Popen(
            [sys.executable, script, "--nodes", str(count), "--seed", seed, "--muxer", muxer],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.numbers = itertools.count()
        self.changed = threading.Condition()
        self.answers: dict = {}
        self.nodes: list = []
        self.has_ended = False
        Lines(self.process, self.take)
        with self.changed:
            if not self.changed.wait_for(lambda: self.nodes or self.has_ended, 60) or not self.nodes:
                raise Mismatch("the py-libp2p swarm does not start")

    def take(self, message) -> None:
        with self.changed:
            if message is None:
                self.has_ended = True
            elif "nodes" in message:
                self.nodes = message["nodes"]
            else:
                self.answers[message["id"]] = message
            self.changed.notify_all()

    @property
    def peers(self) -> list[str]:
        return [node["peer"] for node in self.nodes]

    @property
    def addresses(self) -> list[str]:
        return [node["address"] for node in self.nodes]

    def send(self, command: str, **arguments) -> int:
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "do": command, **arguments}) + "\n")
        self.process.stdin.flush()
        return number

    def result(self, number: int, seconds: float = 45):
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.answers or self.has_ended, seconds):
                raise Mismatch(f"the py-libp2p swarm does not answer within {seconds} s")
            answer = self.answers.pop(number, {"error": "it has ended"})
        if "error" in answer:
            raise Mismatch(f"the py-libp2p swarm: {answer['error']}")
        return answer["result"]

    def ask(self, command: str, **arguments):
        return self.result(self.send(command, **arguments))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Node:
    """One life of `kadstore node` over a store."""

    def __init__(self, database: pathlib.Path, *arguments, listen: str = "/ip4/127.0.0.1/tcp/0"):
        self.database = database
        self.log = database.with_suffix(".log")
        self.changed = threading.Condition()
        self.events: dict = {}
        self.begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [os.environ["KADSTORE"], "node", "--db", database, "--scope", "private", "--accept", "test", "--json",
                 "--listen", listen, *map(str, arguments)],
                stdout=subprocess.PIPE, stderr=log, text=True)
        Lines(self.process, self.take)
        listening = self.wait_for("listening", 30)
        self.peer, self.address = listening["peer"], listening["addresses"][0]

    def take(self, event) -> None:
        with self.changed:
            # The end of its output is an event like the others.
            event = event or {"event": "end"}
            event["after"] = time.monotonic() - self.begun
            self.events[event["event"]] = event
            self.changed.notify_all()

    def wait_for(self, name: str, seconds: float) -> dict:
        with self.changed:
            self.changed.wait_for(lambda: name in self.events or "end" in self.events, seconds)
            if name in self.events:
                return self.events[name]
        raise Mismatch(f"the node is not {name} after {seconds} s: {self.log.read_text(errors='replace')[-2000:]}")

    @property
    def listens_on(self) -> str:
        """Without its id."""
        return self.address.split("/p2p/")[0]

    @property
    def port(self) -> int:
        return port_of(self.address)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Asks it to end; it has to do so cleanly."""
        self.process.terminate()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Mismatch("the node does not end after SIGTERM") from None
        if status != 0:
            raise Mismatch(f"the node ends with {status}: {self.log.read_text(errors='replace')[-2000:]}")


def port_of(address: str) -> int:
    return int(address.split("/")[4])


def asked(command: str, *arguments, database: pathlib.Path) -> dict:
    """What a command says with --json."""
    return json.loads(kadstore(command, *arguments, "--json", "--db", database))


class Waiting:
    """Whom a store leaves alone, as it is now."""

    def __init__(self, database: pathlib.Path):
        records = [json.loads(line) for line in kadstore("export", "--db", database).splitlines()]
        self.not_before = {record["peer"]: record["backoff"]["notBeforeMs"] / 1000
                           for record in records if "peer" in record and "notBeforeMs" in record.get("backoff", {})}
        """When each may be dialled again, in seconds since 1970."""
        self.held = {record["held"]: record["atMs"] for record in records if "held" in record}
        """Failures that nobody has witnessed, and that may have been ours, by the peer's key: such a peer is asked once more
        whatever its wait, beside one that should answer, to know whose fault it was."""
        self.at = time.time()

    def allows(self, peer: str) -> float:
        return self.not_before.get(peer, 0)

    def doubts(self, peer: str) -> int | None:
        """When the failure was that is in doubt."""
        return self.held.get(hashlib.sha256(ID.from_base58(peer).to_bytes()).hexdigest())


class Recorder:
    """Listens where peers were, and writes down who knocks. Nobody is let in."""

    def __init__(self, ports: list[int]):
        self.knocks: list[tuple[float, int]] = []
        """When, and on which port."""
        for port in ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            threading.Thread(target=self.listen, args=(listener, port), daemon=True).start()

    def listen(self, listener: socket.socket, port: int) -> None:
        while True:
            visitor, _ = listener.accept()
            self.knocks.append((time.time(), port))
            visitor.close()
