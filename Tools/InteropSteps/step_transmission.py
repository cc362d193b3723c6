"""Transmission: the daemon asks the nodes of our dht.dat in their order, keeps our id, and saves the same nodes."""

import json
import random
import shutil
import signal
import subprocess

import bencodepy

import mainline
from check import Mismatch, Table, expect_equal, wait_until

# Transmission saves when it knows 40 good nodes, and its table takes eight of a bucket.
DEPTH, EACH = 6, 8


def run(folder):
    own = random.Random(11).randbytes(20)
    ids = mainline.identities_around(own, DEPTH, EACH, seed=12)
    random.Random(13).shuffle(ids)
    nodes = [mainline.Node(identity, f"198.18.2.{i + 1}", 21_000 + i) for i, identity in enumerate(ids)]

    table = Table(folder / "table.db", "mainline")
    table.fill([(node.identity.hex(), node.multiaddr) for node in nodes])
    config = folder / "config"
    config.mkdir()
    dat = table.with_identity(folder / "own.db", own.hex()).write("transmission", config / "dht.dat")
    shutil.copy(dat, folder / "ours.dat")
    (config / "settings.json").write_text(json.dumps({
        "dht-enabled": True, "lpd-enabled": False, "utp-enabled": False, "pex-enabled": False,
        "port-forwarding-enabled": False, "rpc-enabled": False, "peer-port": 51_413, "download-dir": str(folder),
        "bind-address-ipv4": "198.18.0.3",
    }))

    swarm = mainline.Swarm(nodes)
    swarm.start()
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["transmission-daemon", "-f", "--log-info", "-g", str(config)],
                                  stdout=log, stderr=subprocess.STDOUT)
        try:
            # It takes seconds over each of the first nodes.
            wait_until("the first three nodes asked", 40, lambda: len(swarm.asked) >= 3)
            with swarm.lock:
                asked = [node.multiaddr for node in swarm.asked[:3]]
            expect_equal("the nodes asked first", asked, [node.multiaddr for node in nodes[:3]])
            # It would take minutes to ask 40, a good node being one that has answered. Its pings all have one transaction.
            swarm.volunteer(b"pn\0\0")
            wait_until("packets read", 5, lambda: True)
            swarm.volunteer(b"pn\0\0")
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                raise Mismatch("the daemon does not end") from None
            swarm.stop()
    if dat.read_bytes() == (folder / "ours.dat").read_bytes():
        raise Mismatch(f"the daemon has saved nothing: {(folder / 'log').read_text(errors='replace')[-2000:]}")

    saved = bencodepy.Bencode(encoding=None).decode(dat.read_bytes())
    expect_equal("the id it saved", saved[b"id"], own)
    back = Table(folder / "back.db", "mainline")
    back.bring_in(dat)
    expect_equal("endpoints after export, Transmission, import", back.candidates(), {node.multiaddr for node in nodes})
    version = subprocess.run(["transmission-daemon", "--version"], capture_output=True, text=True, check=False)
    yield (f"{(version.stdout + version.stderr).split('(')[0].strip()}: asks the nodes of our dht.dat in their order, "
           f"keeps the id, and saves the same {len(nodes)} nodes")
