"""What hostile peers do that a node dials. Each has an address and an identity of its own, and says what the node has to
make of it."""

import random
import socket
import threading
import time

import wire
from hostile_callers import garbage, keys_of, payload
from wire import DATA, FIN, IDENTIFY, KAD, NOISE, SYN, WINDOW, YAMUX, Closed, Keys, Message, Wire


class Liar(threading.Thread):
    """Listens at an address that says it is the peer of its name, and does to everybody who comes what `behave` does."""

    def __init__(self, name: str, failures: set[str], behave):
        super().__init__(daemon=True)
        self.name_of_lie, self.failures, self.behave = name, failures, behave
        self.keys = keys_of(name)
        self.visits = 0
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.start()

    @property
    def peer(self) -> str:
        return self.keys.peer

    @property
    def place(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.listener.getsockname()[1]}"

    @property
    def address(self) -> str:
        return f"{self.place}/p2p/{self.peer}"

    def run(self) -> None:
        while True:
            visitor, _ = self.listener.accept()
            self.visits += 1
            threading.Thread(target=self.meet, args=(Wire(visitor),), daemon=True).start()

    def meet(self, connection: Wire) -> None:
        try:
            self.behave(connection, self.keys)
        except (Closed, OSError, ValueError, UnicodeDecodeError):
            pass
        # Whatever the node has to say to it, it is not read.
        connection.close()


# Up to the muxer


def silence(connection, keys):
    time.sleep(30)


def closes(connection, keys):
    wire.accept(connection, [NOISE])


def long_line(connection, keys):
    connection.send(wire.varint(1 << 20))
    time.sleep(2)


def refuses_noise(connection, keys):
    wire.accept(connection, [])


def long_frame(connection, keys):
    wire.accept(connection, [NOISE])
    connection.send(b"\xff\xff" + bytes(65_535))
    time.sleep(2)


def somebody_else(connection, keys):
    wire.accept(connection, [NOISE])
    wire.Secured(connection, keys_of("somebody else"), dials=False)


def bad_signature(connection, keys):
    wire.accept(connection, [NOISE])
    wire.Secured(connection, keys, dials=False, payload=payload(keys.public, bytes(64)))


def upgraded(connection: Wire, keys: Keys) -> wire.Muxer:
    wire.accept(connection, [NOISE])
    channel = wire.Secured(connection, keys, dials=False)
    wire.accept(channel, [YAMUX])
    return wire.Muxer(channel, dials=False)


def no_frames(connection, keys):
    muxer = upgraded(connection, keys)
    muxer.channel.send(b"\x07" * 24)
    time.sleep(2)


# On the streams of the DHT


def serving(answer):
    """Takes every stream of the DHT and lets `answer` have it; says nothing of itself."""
    def behave(connection, keys):
        muxer = upgraded(connection, keys)
        while True:
            stream = muxer.taken()
            try:
                if wire.accept(stream, [KAD]) == KAD:
                    answer(stream, Message.FromString(stream.read(wire.read_varint(stream))))
            except Closed:
                if muxer.is_gone:
                    return
    return behave


def refuses_dht(connection, keys):
    muxer = upgraded(connection, keys)
    while True:
        try:
            wire.accept(muxer.taken(), [])
        except Closed:
            continue


def answers(data: bytes):
    def answer(stream, question):
        stream.send(data)
        stream.close()
    return serving(answer)


def overruns(stream, question):
    stream.muxer.send(DATA, 0, stream.number, wire.RECEIVE_WINDOW * 8, bytes(60_000))


def gossips(victim: str, elsewhere: str):
    """Names somebody honest at an address where somebody else is, and a thousand who are nowhere."""
    def answer(stream, question):
        generator = random.Random(question.key)
        message = Message(type=Message.FIND_NODE)
        message.closerPeers.add(id=wire.ID.from_base58(victim).to_bytes(), addrs=[wire.Multiaddr(elsewhere).to_bytes()])
        for number in range(1000):
            message.closerPeers.add(id=bytes([0, 36, 8, 1, 18, 32]) + generator.randbytes(32),
                                    addrs=[wire.Multiaddr(f"/ip4/127.0.0.1/tcp/{1 + number % 9}").to_bytes()])
        message.closerPeers.add(id=b"\xff" * 300)
        stream.send(wire.packed(message))
        stream.close()
    return serving(answer)


LIES = {
    # What an address is dialled for, the failures that may be remembered of it, and what it does.
    "garbage": ({"negotiation", "bad-response"}, lambda connection, keys: (garbage(connection, keys), time.sleep(2))),
    "silence": ({"timeout"}, silence),
    "an end": ({"reset", "negotiation", "bad-response"}, closes),
    "a long line": ({"negotiation", "bad-response"}, long_line),
    "no Noise": ({"negotiation"}, refuses_noise),
    "a long handshake": ({"negotiation"}, long_frame),
    "a wrong signature": ({"negotiation"}, bad_signature),
    # Where the connection ends before a stream is asked for, all that is known of it is that it ended.
    "no frames": ({"bad-response", "reset"}, no_frames),
    "no DHT": ({"negotiation"}, refuses_dht),
    "an answer of 5 MiB": ({"bad-response"}, answers(wire.varint(5 << 20) + bytes(1000))),
    "an answer that is none": ({"bad-response"}, answers(wire.varint(40) + b"\xff" * 40)),
    "half an answer": ({"stream"}, answers(wire.varint(200) + bytes(20))),
    "another answer": ({"bad-response"}, answers(wire.packed(Message(type=Message.GET_VALUE, key=b"/test/x")))),
    "no answer": ({"timeout"}, serving(lambda stream, question: None)),
    "more than the window": ({"bad-response"}, serving(overruns)),
}
