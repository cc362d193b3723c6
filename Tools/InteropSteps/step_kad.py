"""A network of py-libp2p nodes and ours: both find each other, values and providers go both ways, a crawl finds all. Then
our node is killed, a third of theirs go, and it starts again from its disk alone."""

import hashlib
import importlib.metadata
import shutil
import statistics
import time

import wire
from check import Mismatch, expect, expect_equal, kadstore, wait_until
from peers import Node, Recorder, Swarm, Waiting, asked, port_of

COUNT = 12
GOING = 4
"""A third of theirs."""
MEASUREMENTS = 3


def run(folder):
    theirs = Swarm(COUNT)
    version = importlib.metadata.version("libp2p")
    first = Node(folder / "first.db", "--bootstrap", theirs.addresses[0])
    # The second knows nobody but the first.
    second = Node(folder / "second.db", "--bootstrap", first.address)
    try:
        yield f"py-libp2p {version}: {COUNT} nodes, and two of ours, the second by way of the first"
        yield joins(theirs, [first, second])
        yield finds_all(theirs, first, second)
        yield values(folder, theirs, first, second)
        yield providers(theirs, first)
        yield crawls(folder, theirs, [first, second])
        yield from dies_and_returns(folder, theirs, first, second)
    finally:
        for node in (first, second):
            node.kill()
        theirs.end()


def joins(theirs, ours) -> str:
    def is_known():
        return all(node.peer in table for table in theirs.ask("tables") for node in ours)
    wait_until("our nodes are in all their tables", 30, is_known)
    for node in ours:
        node.wait_for("ready", 60)
    after = ", ".join(f"{node.events['ready']['after']:.1f} s" for node in ours)
    return f"both are in the tables of all {COUNT}; they were warm after {after}"


def finds_all(theirs, first, second) -> str:
    for peer in [*theirs.peers, second.peer]:
        find(peer, first.database)
    known = {peer["id"]: peer["standing"] for peer in asked("peers", database=first.database)["peers"]}
    expect_equal("peers that answered our node", {peer for peer in known if known[peer] == "answered"} - {first.peer},
                 {*theirs.peers, second.peer})
    for index in range(COUNT):
        node = (first, second)[index % 2]
        wait_until(f"their node {index} finds ours at {node.listens_on}", 60, lambda: any(
            address.startswith(node.listens_on)
            for address in theirs.ask("find_peer", node=index, peer=node.peer, forget=True) or []))
    return "ours finds each of them, and each of them one of ours by asking the network"


def nearest(peer: str, database, *arguments) -> str | None:
    """Whom a search for a peer finds nearest; that is the peer itself, once it has answered."""
    peers = asked("lookup", peer, "--count", COUNT, *arguments, database=database)["peers"]
    return peers[0]["id"] if peers else None


def find(peer: str, database) -> None:
    """Searches for a peer until it answers: a busy machine makes twelve nodes in one process of Python slow."""
    wait_until(f"a search for {peer} ends at it", 60, lambda: nearest(peer, database) == peer)


def values(folder, theirs, first, second) -> str:
    # A client of ours with a store of its own, so that it must ask.
    client = folder / "client.db"
    kadstore("init", "--db", client, "--network", "libp2p", "--scope", "private")

    theirs.ask("put_value", node=3, key="/test/theirs", value="from py-libp2p")
    for bootstrap in (theirs.addresses[7], first.address):
        got = asked("get", "/test/theirs", "--accept", "test", "--bootstrap", bootstrap, database=client)
        expect_equal("the value that they put, as ours gets it", got["value"]["text"], "from py-libp2p")
    for node in (first, second):
        expect_equal("the value that they put, as our node serves it", served(node, b"/test/theirs"), b"from py-libp2p")

    put = asked("put", "/test/ours", "from kadstore", "--accept", "test", database=first.database)
    expect("most of the network takes our value", len(put["accepted"]) > COUNT / 2)
    holders = theirs.ask("holders", key="/test/ours")
    expect_equal("those of theirs that hold our value", {theirs.peers[index] for index in holders},
                 set(put["accepted"]) & set(theirs.peers))
    for index in range(COUNT):
        got = theirs.ask("get_value", node=index, key="/test/ours", forget=True)
        expect_equal("the value that ours put, as they get it", got, "from kadstore")
    return (f"a value of theirs reaches ours and is served by ours; one of ours, put to {len(put['accepted'])}, "
            "reaches all of theirs")


def served(node: Node, key: bytes) -> bytes:
    """What a node says to GET_VALUE."""
    muxer = wire.dialled("127.0.0.1", node.port, wire.Keys(hashlib.sha256(b"visitor").digest()))
    answer = wire.asked(muxer.open(wire.KAD), wire.Message(type=wire.Message.GET_VALUE, key=key))
    muxer.channel.wire.close()
    return answer.record.value


def multihash(text: str) -> str:
    return "1220" + hashlib.sha256(text.encode()).hexdigest()


def providers(theirs, first) -> str:
    key = multihash("theirs")
    theirs.ask("provide", node=5, key=key)
    found = asked("providers", "0x" + key, database=first.database)["providers"]
    expect_equal("providers of theirs, as ours finds them", {provider["id"] for provider in found}, {theirs.peers[5]})
    expect("with where they are", any(port_of(theirs.addresses[5]) == port_of(address)
                                      for provider in found for address in provider["addresses"]))
    key = multihash("ours")
    told = asked("provide", "0x" + key, "--address", first.listens_on, database=first.database)
    expect_equal("who provides", told["peer"], first.peer)
    for index in (0, 6, 11):
        found = theirs.ask("find_providers", node=index, key=key, forget=True)
        expect_equal("providers of ours, as they find them", set(found), {first.peer})
    return "providers are found both ways"


def crawls(folder, theirs, ours) -> str:
    database = folder / "crawl.db"
    crawl = asked("crawl", "--scope", "private", "--bootstrap", theirs.addresses[9], database=database)
    answered = {peer["id"] for peer in asked("peers", database=database)["peers"] if peer["standing"] == "answered"}
    expect_equal("who answers a crawl", answered, {*theirs.peers, *(node.peer for node in ours)})
    return (f"a crawl from one of them finds all {crawl['answered']} in {crawl['elapsedMs'] / 1000:.1f} s "
            f"with {crawl['requests']} requests")


def dies_and_returns(folder, theirs, first, second):
    # What the last second brought may be lost, and is not what this is about.
    time.sleep(1.5)
    first.kill()
    gone = list(range(1, COUNT, COUNT // GOING))[:GOING]
    theirs.ask("stop", nodes=gone)
    living = [index for index in range(COUNT) if index not in gone]
    kadstore("backup", "--db", first.database, folder / "warm.db")
    yield from measure(folder, theirs, living)

    ports = {port_of(theirs.addresses[index]): theirs.peers[index] for index in gone}
    recorder = Recorder(list(ports))
    judge = Judge(first.database, recorder, ports)
    again = Node(first.database, listen=first.listens_on)
    expect_equal("the id after the restart", again.peer, first.peer)
    contacts = table(again)
    usable = time.monotonic() - again.begun
    expect(f"the table is usable at once ({len(contacts)} contacts)", len(contacts) >= len(living))
    judge.watch(6)
    again.wait_for("ready", 60)
    expect("some of the gone were tried after the restart", len(recorder.knocks) > 0)
    # Killed again, its disk knows who is gone: other processes that begin from it leave them alone too.
    time.sleep(1.5)
    again.kill()
    left_alone = judge.read()
    waiting = {port for port in ports if left_alone.allows(ports[port]) > time.time()}
    expect("the gone that were tried are left alone for a while", waiting >= {port for _, port in recorder.knocks})
    for index in gone:
        expect("a search for one who is gone ends at another",
               nearest(theirs.peers[index], first.database) != theirs.peers[index])
        judge.read()
    last = Node(first.database, listen=first.listens_on)
    try:
        judge.watch(4)
        judge.check()
        for peer in [*(theirs.peers[index] for index in living), second.peer]:
            find(peer, first.database)
        last.end()
        second.end()
    finally:
        last.kill()
    yield (f"killed and started again without bootstrap, {GOING} of {COUNT} gone: {len(contacts)} contacts after "
           f"{usable:.2f} s, warm after {again.events['ready']['after']:.1f} s, all {len(living)} living found")
    yield (f"{len(recorder.knocks)} knocks at the doors of the gone, in two lives of the node and {GOING} searches for them: "
           f"none before its time, but for {len(judge.again)} looks into failures that nobody had witnessed")


def table(node: Node) -> list[str]:
    """Whom a node names when asked for itself."""
    muxer = wire.dialled("127.0.0.1", node.port, wire.Keys(hashlib.sha256(b"visitor").digest()))
    answer = wire.asked(muxer.open(wire.KAD), wire.find_node(wire.ID.from_base58(node.peer).to_bytes()))
    muxer.channel.wire.close()
    return [str(wire.ID(peer.id)) for peer in answer.closerPeers]


class Judge:
    """Compares every knock at a dead peer's door with what the store said before it."""

    SLACK = 0.1
    """Seconds between a decision to dial and the knock, and between two clocks' roundings."""
    CALL = 2
    """Seconds that one call, which knocks up to four times, may take."""

    def __init__(self, database, recorder: Recorder, ports: dict[int, str]):
        self.database, self.recorder, self.ports = database, recorder, ports
        self.readings: list[Waiting] = []
        self.again: dict[tuple[str, int], float] = {}
        """When a failure in doubt was looked into."""

    def watch(self, seconds: float) -> None:
        """Reads the store for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            time.sleep(0.2)

    def read(self) -> Waiting:
        self.readings.append(Waiting(self.database))
        return self.readings[-1]

    def check(self) -> None:
        for at, port in self.recorder.knocks:
            peer = self.ports[port]
            # What was read before the knock was true at the knock, or an earlier bound.
            before = [reading for reading in self.readings if reading.at < at][-1:]
            if not before or at >= before[0].allows(peer) - self.SLACK:
                continue
            failure = before[0].doubts(peer)
            if failure is not None and at - self.again.setdefault((peer, failure), at) < self.CALL:
                continue
            raise Mismatch(f"a dead peer was dialled {before[0].allows(peer) - at:.1f} s before its backoff was over; "
                           f"{self.story(peer, port)}")

    def story(self, peer: str, port: int) -> str:
        """All that happened with a peer, in seconds since the first reading."""
        start = self.readings[0].at
        knocks = [f"{at - start:.2f}" for at, where in self.recorder.knocks if where == port]
        bounds = dict.fromkeys(
            (f"{reading.allows(peer) - start:.2f}", reading.doubts(peer)) for reading in self.readings)
        return f"dialled at {', '.join(knocks)}; not before, with the failure in doubt: {list(bounds)}"


def measure(folder, theirs, living):
    """The first search of a process: with an empty store and a bootstrap peer, and with the store of the killed node and
    none."""
    targets = [theirs.peers[index] for index in living[-MEASUREMENTS:]]
    kinds = {"cold": [], "warm": []}
    for number, target in enumerate(targets):
        cold, warm = folder / f"cold-{number}.db", folder / f"warm-{number}.db"
        kadstore("init", "--db", cold, "--network", "libp2p", "--scope", "private")
        shutil.copy(folder / "warm.db", warm)
        for kind, database, more in (("cold", cold, ["--bootstrap", theirs.addresses[living[0]]]), ("warm", warm, [])):
            answer = asked("lookup", target, "--count", COUNT, *more, database=database)
            expect_equal(f"whom a {kind} search finds", answer["peers"][0]["id"], target)
            kinds[kind].append(answer)
    yield f"the first search after a start, {GOING} of {COUNT} gone (medians of {MEASUREMENTS}):"
    yield "| start | until it ended, ms | dials | of them in vain | hops |"
    yield "|---|---|---|---|---|"
    for kind, answers in kinds.items():
        middle = [statistics.median(answer[field] for answer in answers)
                  for field in ("elapsedMs", "queries", "failures", "hops")]
        yield f"| {kind} | " + " | ".join(f"{value:g}" for value in middle) + " |"
