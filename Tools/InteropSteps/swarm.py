"""A swarm of py-libp2p nodes with its DHT, in one process, on loopback. It is told what to do by lines of JSON:

    in     {"id": 7, "do": "find_peer", "node": 3, "peer": "12D3Koo…"}
    out    {"id": 7, "result": […]}    or    {"id": 7, "error": "…"}

and begins with {"nodes": [{"peer": …, "address": …}, …]} once all listen and each is in the table of its neighbours. It
ends at `quit` and at the end of its input. Node i has the Ed25519 seed sha256("SEED/i"), so distances are the same in
every run.
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import sys

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.records.validator import Validator
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

KAD = "/ipfs/kad/1.0.0"
STOPPING = 5
"""Seconds that a node has for closing its connections. Its services do not always unwind by themselves."""


class AnyValidator(Validator):
    """Every value that is not empty is valid; of several the last is taken."""

    def validate(self, key, value):
        if not value:
            raise ValueError("empty")

    def select(self, key, values):
        return len(values) - 1


class Node:
    def __init__(self, seed: str, index: int, muxer: str):
        keys = create_new_key_pair(hashlib.sha256(f"{seed}/{index}".encode()).digest())
        self.host = new_host(key_pair=keys, muxer_preference=muxer)
        self.peer = self.host.get_id()
        self.serve = trio.Event()
        self.leave = trio.Event()
        self.gone = trio.Event()

    @property
    def address(self) -> Multiaddr:
        """Where it listens, without the peer."""
        return next(address for listener in self.host.get_network().listeners.values()
                    for address in listener.get_addrs())

    async def run(self, task_status=trio.TASK_STATUS_IGNORED) -> None:
        with contextlib.suppress(Exception), trio.CancelScope() as scope:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(self.host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]))
                self.dht = KadDHT(self.host, DHTMode.SERVER)
                self.dht.register_validator("test", AnyValidator())
                task_status.started()
                await self.serve.wait()
                await stack.enter_async_context(background_trio_service(self.dht))
                await self.leave.wait()
                scope.deadline = trio.current_time() + STOPPING
                await self.host.close()
        self.gone.set()

    async def connect(self, address: str) -> None:
        """Connects, and enters the other in the table when it has said what it speaks."""
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        with trio.fail_after(10):
            while not self.knows_that_it_speaks_kad(info.peer_id):
                await trio.sleep(0.02)
        await self.dht.routing_table.add_peer(info)

    def knows_that_it_speaks_kad(self, peer: ID) -> bool:
        try:
            return KAD in self.host.get_peerstore().get_protocols(peer)
        except Exception:  # It has no class for "never heard of".
            return False

    def forget(self, peer: ID) -> None:
        """Leaves it to the network to know where the peer is."""
        self.dht.routing_table.remove_peer(peer)
        with contextlib.suppress(Exception):
            self.host.get_peerstore().clear_addrs(peer)
        with contextlib.suppress(Exception):
            self.host.get_peerstore().clear_peer_record(peer)


class Swarm:
    def __init__(self, nodes: list[Node]):
        self.nodes = nodes

    async def begin(self, nursery: trio.Nursery) -> None:
        """A chain: what is not a neighbour has to be found."""
        for node in self.nodes:
            await nursery.start(node.run)
        for near, far in zip(self.nodes, self.nodes[1:]):
            await far.connect(f"{near.address}/p2p/{near.peer}")
            await near.dht.routing_table.add_peer(PeerInfo(far.peer, [far.address]))
        for node in self.nodes:
            node.serve.set()

    # What it can be told. Each gives what JSON can say.

    async def tables(self) -> list:
        """The peers in each node's table; null for a node that was stopped."""
        return [None if node.leave.is_set() else [str(peer) for peer in node.dht.routing_table.get_peer_ids()]
                for node in self.nodes]

    async def connect(self, node: int, address: str) -> None:
        await self.nodes[node].connect(address)

    async def find_peer(self, node: int, peer: str, forget: bool = False) -> list | None:
        """Its addresses. With `forget` it has to ask the network."""
        identity = ID.from_base58(peer)
        if forget:
            self.nodes[node].forget(identity)
        info = await self.nodes[node].dht.find_peer(identity)
        return info and [str(address) for address in info.addrs]

    async def query(self, node: int, peer: str, key: str) -> bool:
        """Whether a peer answers one FIND_NODE."""
        routing = self.nodes[node].dht.peer_routing
        return bool(await routing._query_peer_for_closest(ID.from_base58(peer), ID.from_base58(key).to_bytes()))

    async def put_value(self, node: int, key: str, value: str) -> None:
        await self.nodes[node].dht.put_value(key, value.encode())

    async def get_value(self, node: int, key: str, forget: bool = False) -> str | None:
        """The value. With `forget` it has to ask the network."""
        dht = self.nodes[node].dht
        if forget:
            dht.value_store.remove(key.encode())
        value = await dht.get_value(key)
        return value and value.decode()

    async def provide(self, node: int, key: str) -> bool:
        """Keys of providers are multihashes, in hexadecimal digits."""
        return await self.nodes[node].dht.provide(key)

    async def find_providers(self, node: int, key: str, forget: bool = False) -> list:
        """Their peers. With `forget` it has to ask the network."""
        dht = self.nodes[node].dht
        if forget:
            dht.provider_store.providers.pop(bytes.fromhex(key), None)
        return [str(info.peer_id) for info in await dht.find_providers(key)]

    async def holders(self, key: str) -> list:
        """The nodes that hold a value."""
        return [index for index, node in enumerate(self.nodes) if node.dht.value_store.get(key.encode())]

    async def stop(self, nodes: list) -> None:
        """Ends nodes: their ports are free afterwards."""
        for index in nodes:
            self.nodes[index].leave.set()
        for index in nodes:
            await self.nodes[index].gone.wait()


COMMANDS = ("tables", "connect", "find_peer", "query", "put_value", "get_value", "provide", "find_providers", "holders",
            "stop")


def say(**message) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def lines():
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        text = b""
        async for part in stream:
            *whole, text = (text + part).split(b"\n")
            for line in whole:
                yield json.loads(line)


async def obey(swarm: Swarm, request: dict) -> None:
    number, name = request.pop("id"), request.pop("do")
    try:
        if name not in COMMANDS:
            raise ValueError(f"no command {name!r}")
        say(id=number, result=await getattr(swarm, name)(**request))
    except Exception as error:
        say(id=number, error=f"{type(error).__name__}: {error}")


async def main(options) -> None:
    swarm = Swarm([Node(options.seed, index, options.muxer) for index in range(options.nodes)])
    async with trio.open_nursery() as nursery:
        await swarm.begin(nursery)
        say(nodes=[{"peer": str(node.peer), "address": f"{node.address}/p2p/{node.peer}"} for node in swarm.nodes])
        async for request in lines():
            if request["do"] == "quit":
                break
            nursery.start_soon(obey, swarm, request)
        # Unwinding all at once can take it longer than any of this did.
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=12)
    parser.add_argument("--seed", default="kadstore")
    parser.add_argument("--muxer", choices=["YAMUX", "MPLEX"], default="YAMUX")
    logging.basicConfig(level="CRITICAL", stream=sys.stderr)
    trio.run(main, parser.parse_args())
