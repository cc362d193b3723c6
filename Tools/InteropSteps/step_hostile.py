"""Hostile peers, as callers and as the called: what they do is refused and bounded, the node remembers it of them and of
nobody else, and goes on answering an honest py-libp2p peer all the while."""

import os
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import hostile_callers as callers
import hostile_listeners as listeners
import wire
from check import Mismatch, expect, expect_equal, kadstore, wait_until
from peers import Node, Swarm, asked

CUT_OFF = 15
"""Seconds after which whoever is slow must have been cut off."""
ANSWER = 20
"""Seconds within which the honest peer must be answered: it shares two processors with everybody here."""
MEMORY = 64 << 20
"""Bytes that the node may have grown by, when all is over, or at its height."""
PEAK = 192 << 20
DESCRIPTORS = 16
STREAMS = 32
"""What one peer may have open, as the node documents it."""


def run(folder):
    honest = Swarm(3)
    elsewhere = listeners.Liar("elsewhere", set(), listeners.closes)
    liars = [listeners.Liar(name, *lie) for name, lie in listeners.LIES.items()]
    impostor = listeners.Liar("an impostor", set(), listeners.somebody_else)
    gossip = listeners.Liar("gossip", set(), listeners.gossips(honest.peers[2], elsewhere.place))
    node = Node(folder / "node.db", "--bootstrap", *honest.addresses[:2],
                *(liar.address for liar in [*liars, impostor, gossip]))
    try:
        honest.ask("connect", node=0, address=node.address)
        before = Use(node)
        with Witness(honest, node) as witness, ThreadPoolExecutor(32) as pool:
            slow = [pool.submit(is_cut_off, node, attack) for attack in callers.SLOW]
            silent = pool.submit(silent_streams, node)
            yield refuses(node, pool)
            yield bears(node)
            yield from charges(node, honest, liars, impostor, gossip, elsewhere)
            for attack, verdict in zip(callers.SLOW, slow):
                expect(f"{attack.__name__}: cut off after {CUT_OFF} s", verdict.result())
            expect_equal("silent streams that are not cut off", silent.result(), [])
            yield f"{len(callers.SLOW)} slow callers and two silent streams are cut off within {CUT_OFF} s"
        yield witness.verdict()
        yield before.verdict()
        node.end()
    finally:
        node.kill()
        honest.end()


def caller(node: Node) -> wire.Wire:
    return wire.Wire.to("127.0.0.1", node.port)


def refuses(node: Node, pool) -> str:
    def is_closed(attack) -> bool:
        connection = caller(node)
        try:
            attack(connection, callers.keys_of(attack.__name__))
        except wire.Closed:
            return True
        try:
            # Less than the time that a handshake may take: it is refused, not only given up.
            return connection.closes_within(8)
        finally:
            connection.close()

    def is_reset(name) -> bool:
        connection = caller(node)
        try:
            return callers.is_reset(connection, callers.keys_of(name), callers.RESET[name])
        except wire.Closed as error:
            raise Mismatch(f"{name}: the whole connection is closed ({error})") from None
        finally:
            connection.close()

    closed = list(zip(callers.CLOSED, pool.map(is_closed, callers.CLOSED)))
    expect_equal("attacks after which the connection is open", [attack.__name__ for attack, ok in closed if not ok], [])
    reset = list(zip(callers.RESET, map(is_reset, callers.RESET)))
    expect_equal("requests after which the stream is not reset", [name for name, ok in reset if not ok], [])
    expect("the node lives", node.is_alive)
    return f"{len(closed)} attacks close their connection, {len(reset)} reset their stream alone"


def is_cut_off(node: Node, attack) -> bool:
    connection = caller(node)
    begun = time.monotonic()
    try:
        attack(connection, callers.keys_of(attack.__name__))
        return connection.closes_within(CUT_OFF - (time.monotonic() - begun))
    except (wire.Closed, TimeoutError):
        return time.monotonic() - begun < CUT_OFF
    finally:
        connection.close()


def silent_streams(node: Node) -> list[str]:
    connection = caller(node)
    streams = callers.slow_streams(connection, callers.keys_of("silent"))
    end = time.monotonic() + CUT_OFF
    try:
        while not all(stream.has_ended for stream in streams.values()):
            connection.socket.settimeout(max(0.01, end - time.monotonic()))
            next(iter(streams.values())).muxer.pump()
    except TimeoutError:
        pass
    except wire.Closed:
        return []
    finally:
        connection.close()
    return [name for name, stream in streams.items() if not stream.has_ended]


def bears(node: Node) -> str:
    connection = caller(node)
    kept = callers.many_streams(connection, callers.keys_of("many"), 200)
    connection.close()
    expect(f"of 200 streams {STREAMS} at most are kept, not {kept}", kept <= STREAMS)
    for number in range(3):
        connection = caller(node)
        callers.never_reads(connection, callers.keys_of(f"greedy {number}"))
        connection.close()
    idle = [caller(node) for _ in range(200)]
    for connection in idle:
        connection.close()
    expect("the node lives", node.is_alive)
    return f"it keeps {kept} of 200 streams of one peer, and bears readers that do not read and 200 callers at once"


def charges(node: Node, honest, liars, impostor, gossip, elsewhere):
    def remembered() -> dict:
        return {peer["id"]: peer for peer in asked("peers", database=node.database)["peers"]}

    def failures(record) -> set[str]:
        return {failure["class"] for failure in record["failures"]} if record else set()

    # A node asks as many of those it was told of as it needs: the others are searched for.
    def search(liar) -> None:
        # Nobody need answer, and some never do.
        kadstore("lookup", liar.peer, "--timeout", "40s", "--db", node.database, statuses=(0, 1, 3))

    def dials_all() -> bool:
        nonlocal records
        records = remembered()
        left = [liar for liar in [*liars, impostor] if not failures(records.get(liar.peer))]
        left += [gossip] if gossip.visits == 0 else []
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(search, left))
        return not left

    records: dict = {}
    wait_until("every liar was dialled and found out", 90, dials_all)
    wrong = [f"{liar.name_of_lie}: {sorted(failures(records[liar.peer]))}, not {sorted(liar.failures)}"
             for liar in liars if not failures(records[liar.peer]) <= liar.failures]
    expect_equal("what is remembered of the liars", wrong, [])
    for liar in liars:
        expect(f"{liar.name_of_lie}: was left alone for a while", records[liar.peer]["backoff"] is not None)

    victim = records[impostor.peer]
    expect_equal("what is remembered of the address where somebody else was", failures(victim), {"identity-mismatch"})
    expect("whose name was used there is not blamed", not victim["backoff"] or victim["backoff"]["streakMilli"] == 0)
    expect("whoever was there is not remembered for it",
           listeners.keys_of("somebody else").peer not in records)
    for index in range(3):
        record = records.get(honest.peers[index])
        if record is None:
            continue
        # On a busy machine a peer in Python is slow at times, which is true of it; it has answered since.
        lies = {failure["class"] for failure in record["failures"] if failure["address"] != elsewhere.place}
        expect_equal("failures of an honest peer where it is", lies - {"timeout", "reset", "stream"}, set())
        expect("an honest peer is not blamed", not record["backoff"] or record["backoff"]["streakMilli"] == 0)
    told = sum(peer not in {*honest.peers, *(liar.peer for liar in [*liars, impostor, gossip])} for peer in records)
    expect(f"a peer cannot invent {told} others", told <= 100)
    yield (f"{len(liars)} kinds of liars that it dials are charged with what they did, the impostor's address instead of its "
           f"victim, and nobody honest; of a thousand invented peers in each message {told} are remembered")


class Witness(threading.Thread):
    """An honest py-libp2p peer that goes on asking, over the connection it has."""

    def __init__(self, swarm: Swarm, node: Node):
        super().__init__(daemon=True)
        self.swarm, self.node = swarm, node
        self.over = threading.Event()
        self.times: list[float] = []
        self.unanswered = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(ANSWER * 2)

    def run(self) -> None:
        while not self.over.wait(0.3):
            begun = time.monotonic()
            answered = self.swarm.ask("query", node=0, peer=self.node.peer, key=self.swarm.peers[1])
            took = time.monotonic() - begun
            if answered and took < ANSWER:
                self.times.append(took)
            else:
                self.unanswered += 1

    def verdict(self) -> str:
        expect(f"the honest peer is always answered ({self.unanswered} times not)", self.unanswered == 0)
        expect("it asked all the while", len(self.times) >= 20)
        times = sorted(self.times)
        return (f"an honest py-libp2p peer asked {len(times)} times meanwhile and was answered each time, "
                f"in {times[len(times) // 2] * 1000:.0f} ms (median), {times[-1] * 1000:.0f} ms at most")


class Use:
    """What a node has of the machine."""

    def __init__(self, node: Node):
        self.node = node
        self.memory, self.descriptors = self.now()

    def field(self, name: str) -> int:
        text = pathlib.Path(f"/proc/{self.node.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1]) << 10

    def now(self) -> tuple[int, int]:
        return self.field("VmRSS:"), len(os.listdir(f"/proc/{self.node.process.pid}/fd"))

    def verdict(self) -> str:
        wait_until("the connections of the attacks are closed", 20,
                   lambda: self.now()[1] <= self.descriptors + DESCRIPTORS)
        memory, descriptors = self.now()
        peak = self.field("VmHWM:")
        mebi = 1 << 20
        expect(f"memory stays bounded: {self.memory // mebi} MiB before, {memory // mebi} after, {peak // mebi} at most",
               memory - self.memory <= MEMORY and peak - self.memory <= PEAK)
        return (f"memory {self.memory // mebi} MiB before, {memory // mebi} after, {peak // mebi} at most; "
                f"open files {self.descriptors} before, {descriptors} after")
