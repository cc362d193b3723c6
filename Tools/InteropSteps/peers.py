"""The two kinds of peers that the steps talk to: a swarm of py-libp2p nodes, and nodes of ours, each a process."""

import itertools
import json
import pathlib
import subprocess
import sys
import threading

from check import Mismatch


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

    def ask_each(self, command: str, requests: list[dict]) -> list:
        """Several at once."""
        return [self.result(number) for number in [self.send(command, **request) for request in requests]]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
