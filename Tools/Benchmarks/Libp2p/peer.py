"""py-libp2p's side of Tools/Benchmarks/libp2p: takes orders as lines of JSON on standard input, and answers each with a
line. Our side, Sources/Libp2pPeer, takes the same, and is the crowd of both."""

import contextlib
import json
import logging
import os
import sys
import time

import libp2p.network.swarm
import trio
from libp2p import new_host
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

KAD = "/ipfs/kad/1.0.0"

# It lets 250 ms pass before it dials over TCP, a head start for QUIC. That is no work, and would be most of a dial.
libp2p.network.swarm._HAPPY_EYEBALLS_DELAY = 0


class Peer:
    def __init__(self, host):
        self.host = host
        self.dht = KadDHT(host, DHTMode.SERVER)
        self.asked = 0

    async def connect(self, address: str) -> ID:
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        return info.peer_id

    async def ask(self, peer: ID) -> int:
        """One FIND_NODE for a key that nobody has been asked for before."""
        self.asked += 1
        found = await self.dht.peer_routing._query_peer_for_closest(peer, f"benchmark {self.asked}".encode())
        return len(found)

    # The orders.

    async def address(self) -> dict:
        listened = next(address for listener in self.host.get_network().listeners.values()
                        for address in listener.get_addrs())
        return {"addresses": [f"{listened}/p2p/{self.host.get_id()}"]}

    async def dial(self, address: str, count: int) -> dict:
        seconds = []
        for _ in range(count):
            # Each from a new host, as ours does.
            host = new_host()
            async with host.run(listen_addrs=[]):
                begun = time.perf_counter()
                info = info_from_p2p_addr(Multiaddr(address))
                await host.connect(info)
                stream = await host.new_stream(info.peer_id, [KAD])
                seconds.append(time.perf_counter() - begun)
                await stream.reset()
        return {"seconds": seconds}

    async def find(self, address: str, count: int) -> dict:
        peer = await self.connect(address)
        seconds, named = [], 0
        for _ in range(count):
            begun = time.perf_counter()
            named = await self.ask(peer)
            seconds.append(time.perf_counter() - begun)
        return {"seconds": seconds, "named": named}

    async def load(self, address: str, count: int, parallel: int) -> dict:
        peer = await self.connect(address)

        async def worker(share: int) -> None:
            for _ in range(share):
                await self.ask(peer)
        begun = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(parallel):
                nursery.start_soon(worker, count // parallel)
        return {"seconds": [time.perf_counter() - begun]}

    async def connect_all(self, addresses: list) -> dict:
        for address in addresses:
            await self.ask(await self.connect(address))
        return {}


async def main() -> None:
    logging.disable(logging.CRITICAL)
    host = new_host()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]))
        peer = Peer(host)
        orders = {"address": peer.address, "dial": peer.dial, "find": peer.find, "load": peer.load,
                  "connect": peer.connect_all}
        async with trio.lowlevel.FdStream(os.dup(0)) as stream:
            text = b""
            async for part in stream:
                *whole, text = (text + part).split(b"\n")
                for line in whole:
                    order = json.loads(line)
                    try:
                        answer = await orders[order.pop("do")](**order)
                    except Exception as error:
                        answer = {"error": f"{type(error).__name__}: {error}"}
                    print(json.dumps(answer), flush=True)
        os._exit(0)


if __name__ == "__main__":
    trio.run(main)
