"""Runs the steps that Tools/interop names, each in a folder of its own. Exits with 1 when a comparison fails."""

import importlib
import pathlib
import subprocess
import sys
import time

from check import Mismatch


def open_network() -> None:
    """Gives the loopback device addresses that DHT programs take for those of other machines (RFC 2544, RFC 3849)."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "198.18.0.1/15", "dev", "lo"], check=True)
    for number in range(1, 17):
        subprocess.run(["ip", "-6", "address", "add", f"2001:db8::{number:x}/128", "dev", "lo"], check=True)


def main(folder: str, steps: list[str]) -> int:
    failed = []
    if any(step != "libp2p" for step in steps):
        open_network()
    for step in steps:
        own = pathlib.Path(folder) / step
        own.mkdir()
        started = time.monotonic()
        try:
            for line in importlib.import_module(f"step_{step}").run(own):
                print(f"interop: {step}: {line}", flush=True)
        except Mismatch as error:
            print(f"interop: {step}: FAILED: {error}", file=sys.stderr, flush=True)
            failed.append(step)
        print(f"interop: {step}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
