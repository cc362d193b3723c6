"""What the steps share: the command under test, and comparisons that can fail."""

import csv
import hashlib
import json
import os
import pathlib
import subprocess
import time


class Mismatch(Exception):
    """Something is not what it has to be."""


def expect_equal(what: str, found, wanted) -> None:
    if found == wanted:
        return
    if isinstance(found, (set, frozenset)) and isinstance(wanted, (set, frozenset)):
        raise Mismatch(f"{what}: {len(wanted - found)} missing, such as {sorted(wanted - found)[:3]}; "
                       f"{len(found - wanted)} too many, such as {sorted(found - wanted)[:3]}")
    raise Mismatch(f"{what}: {found!r}, not {wanted!r}")


def expect(what: str, holds: bool) -> None:
    if not holds:
        raise Mismatch(what)


def wait_until(what: str, seconds: float, condition):
    """The first true value of `condition`, asked until `seconds` have passed."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Mismatch(f"{what}: not within {seconds} s")
        time.sleep(0.2)


def kadstore(*arguments, statuses=(0,)) -> str:
    """Runs the command, and gives what it prints. Where nothing else is said it has to exit with 0: every record must be
    good."""
    command = [os.environ["KADSTORE"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode not in statuses:
        raise Mismatch(f"{' '.join(command)} exits with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def knows_format(name: str) -> bool:
    """Whether the command reads a format."""
    return name in kadstore("import", "--help")


class Table:
    """A store in a folder, of private scope."""

    def __init__(self, path: pathlib.Path, network: str):
        self.path = path
        self.network = network
        if not path.exists():
            kadstore("init", "--db", path, "--network", network, "--scope", "private")

    def fill(self, nodes: list[tuple[str, str]], lookback: int = 60) -> None:
        """Peers, ids and addresses: the first answered `lookback` seconds ago, each further one as much earlier."""
        now = int(time.time() * 1000)
        file = self.path.with_suffix(".csv")
        with file.open("w", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(["id", "address", "first_seen_ms", "last_ok_ms", "address_last_ok_ms"])
            for index, (identity, address) in enumerate(nodes):
                answered = now - (index + 1) * lookback * 1000
                writer.writerow([identity, address, now - 86_400_000, answered, answered])
        self.bring_in(file, "--trust-history")

    def bring_in(self, *arguments) -> None:
        kadstore("import", "--db", self.path, *arguments)

    def write(self, format: str, file: pathlib.Path) -> pathlib.Path:
        kadstore("export", "--db", self.path, "--format", format, file)
        return file

    def records(self) -> list[dict]:
        return [json.loads(line) for line in kadstore("export", "--db", self.path).splitlines()]

    def peers(self) -> set[tuple[str, str]]:
        """Every peer with each of its addresses."""
        return {(record["peer"], entry["address"])
                for record in self.records() if "peer" in record for entry in record["addresses"]}

    def candidates(self) -> set[str]:
        return {record["candidate"] for record in self.records() if "candidate" in record}

    def with_identity(self, path: pathlib.Path, identity: str) -> "Table":
        """A copy in which a local node has this id. For networks whose keys are the ids."""
        lines = kadstore("export", "--db", self.path).splitlines()
        header, footer = lines[0], json.loads(lines[-1])
        order = ["peers", "candidates", "tombstones"]
        place = 1 + sum(footer["end"][name] for name in order)
        made = {"identity": 1, "id": identity, "key": identity, "label": "interop",
                "createdAtMs": int(time.time() * 1000) - 3_600_000}
        lines = [header, *lines[1:place], json.dumps(made, separators=(",", ":")), *lines[place:-1]]
        footer["end"]["identities"] += 1
        text = "".join(line + "\n" for line in lines)
        footer["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        file = path.with_suffix(".jsonl")
        file.write_text(text + json.dumps(footer, separators=(",", ":")) + "\n")
        kadstore("import", "--db", path, "--restore", file)
        return Table(path, self.network)
