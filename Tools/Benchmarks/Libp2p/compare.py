"""Runs the comparison: see Tools/Benchmarks/libp2p."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    pass


class Process:
    """A peer that takes orders."""

    def __init__(self, command: list):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.address = self.order("address")["addresses"][0]

    def order(self, name: str, **arguments) -> dict:
        self.process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        if answer.get("error"):
            raise Failed(f"{name}: {answer['error']}")
        return answer

    def memory(self) -> int:
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS:")).split()[1]) << 10

    def cpu(self) -> float:
        """Seconds of a processor, of all threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Comparison:
    def __init__(self, binary: str, options):
        self.commands = {"ours": [binary], "theirs": [sys.executable, HERE / "peer.py"]}
        self.options = options

    def start(self, side: str) -> Process:
        return Process(self.commands[side])

    def between(self, client_side: str, server_side: str) -> dict[str, float]:
        """What the two do with each other, once."""
        with self.start(client_side) as client, self.start(server_side) as server, self.start("ours") as crowd:
            # Somebody to tell of: an answer carries twenty peers.
            crowd.order("crowd", count=24)
            # The first time they come they are strangers; then they have been identified, and are entered in its table.
            crowd.order("visit", address=server.address)
            time.sleep(2)
            crowd.order("visit", address=server.address)
            client.order("dial", address=server.address, count=2)
            dials = client.order("dial", address=server.address, count=self.options.dials)["seconds"]
            found = client.order("find", address=server.address, count=20)
            found = client.order("find", address=server.address, count=self.options.queries)
            # py-libp2p takes the twenty nearest, and leaves out who asks.
            if found["named"] < 19:
                raise Failed(f"an answer of {server_side} names {found['named']} peers, not 20")
            # py-libp2p serves twelve streams at once and resets the others: ten are under way.
            count = self.options.queries * 2
            used = client.cpu(), server.cpu()
            took = client.order("load", address=server.address, count=count, parallel=10)["seconds"][0]
            used = [after - before for after, before in zip((client.cpu(), server.cpu()), used)]
            return {
                "dial": statistics.median(dials) * 1000, "find": statistics.median(found["seconds"]) * 1000,
                "rate": count / took, "client-cpu": used[0] / count * 1e6, "server-cpu": used[1] / count * 1e6,
            }

    def connections(self, side: str) -> dict[str, float]:
        """What a connection costs one side, as the one that dials and as the one that is dialled."""
        count = self.options.connections
        out = {}
        for role in ("client", "server"):
            with self.start(side) as subject, self.start("ours") as crowd:
                addresses = crowd.order("crowd", count=count + 4)["addresses"]

                def connect(some: list) -> None:
                    subject.order("connect", addresses=some)
                if role == "client":
                    connect(addresses[:4])
                before = subject.memory(), subject.cpu()
                connect(addresses[4:]) if role == "client" else crowd.order("visit", address=subject.address)
                done = count if role == "client" else count + 4
                out[f"{role}-memory"] = (subject.memory() - before[0]) / done / 1024
                out[f"{role}-cpu"] = (subject.cpu() - before[1]) / done * 1000
        return out


ROWS = [
    # Name, key, digits, whether more is better.
    ("dial, handshake and first stream, ms", "dial", 2, False),
    ("FIND_NODE round trip, ms", "find", 2, False),
    ("FIND_NODE, ten at a time, per second", "rate", 0, True),
    ("... processor of the client for each, µs", "client-cpu", 0, False),
    ("... processor of the server for each, µs", "server-cpu", 0, False),
]
COSTS = [("processor, ms", "cpu", 2), ("memory, KiB", "memory", 0)]
PAIRS = [("theirs", "theirs"), ("ours", "theirs"), ("theirs", "ours"), ("ours", "ours")]


def ratio(theirs: float, ours: float, more_is_better: bool = False) -> str:
    """How many times better ours is; below 1 it is worse."""
    better, worse = (ours, theirs) if more_is_better else (theirs, ours)
    return f"{better / worse:.2f}" if worse > 0 else "-"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dials", type=int, default=20)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--connections", type=int, default=50)
    options = parser.parse_args()
    comparison = Comparison(options.binary, options)
    pairs: dict = {pair: [] for pair in PAIRS}
    costs: dict = {"ours": [], "theirs": []}
    # In turn, so that what the machine does meanwhile meets all of them.
    for number in range(options.rounds):
        for pair in PAIRS:
            pairs[pair].append(comparison.between(*pair))
        for side in costs:
            costs[side].append(comparison.connections(side))
        print(f"libp2p: round {number + 1} of {options.rounds}", file=sys.stderr)

    def median(results: list, key: str) -> float:
        return statistics.median(result[key] for result in results)

    def spread(results: list, key: str, digits: int) -> str:
        """The median, and the least and the greatest."""
        some = [result[key] for result in results]
        text = f"{statistics.median(some):,.{digits}f}"
        return text if len(some) == 1 else f"{text} ({min(some):,.{digits}f}-{max(some):,.{digits}f})"

    print(f"Medians of {options.rounds} rounds. Ratios: how many times better ours is, in the same place (below 1: worse).\n")
    print("| client → server | " + " | ".join(f"{a} → {b}" for a, b in PAIRS)
          + " | ratio as client | ratio as server | ratio, both |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, key, digits, more in ROWS:
        values = {pair: median(pairs[pair], key) for pair in PAIRS}
        base = values["theirs", "theirs"]
        print(f"| {name} | " + " | ".join(spread(pairs[pair], key, digits) for pair in PAIRS) + " | "
              + " | ".join(ratio(base, values[pair], more) for pair in PAIRS[1:]) + " |")
    print("\n| a connection costs | theirs | ours | ratio |\n|---|---:|---:|---:|")
    for role in ("client", "server"):
        for name, key, digits in COSTS:
            theirs, ours = (median(costs[side], f"{role}-{key}") for side in ("theirs", "ours"))
            shown = " | ".join(spread(costs[side], f"{role}-{key}", digits) for side in ("theirs", "ours"))
            print(f"| {name}, as {role} | {shown} | {ratio(theirs, ours)} |")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        print(f"libp2p: {error}", file=sys.stderr)
        sys.exit(1)
