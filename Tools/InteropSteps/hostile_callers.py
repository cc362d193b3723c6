"""What hostile peers do that dial a node. Each attack is told how it has to end: the node closes the connection, resets the
stream while the connection lives on, or bears it within its limits.

An attack takes a new connection and keys of its own, and returns when it has done its worst."""

import hashlib
import random
import socket
import struct
import time

import wire
from wire import DATA, FIN, KAD, NOISE, PING, RST, SYN, WINDOW, Closed, Keys, Message, Wire

PAUSE = 1.0
"""Seconds between the bytes of somebody slow."""


def keys_of(name: str) -> Keys:
    return Keys(hashlib.sha256(f"hostile/{name}".encode()).digest())


def muxed(connection: Wire, keys: Keys) -> wire.Muxer:
    return wire.multiplex(wire.secure(connection, keys))


# The connection is closed.


def garbage(connection, keys):
    connection.send(random.Random(1).randbytes(4096))


def another_protocol(connection, keys):
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def long_line(connection, keys):
    connection.send(wire.varint(1 << 20) + b"/")


def endless_length(connection, keys):
    connection.send(b"\xff" * 64)


def endless_proposals(connection, keys):
    connection.send(wire.line(wire.MULTISTREAM) + wire.line("/x") * 1000)


def half_a_line(connection, keys):
    connection.send(wire.line(wire.MULTISTREAM)[:9])
    connection.socket.shutdown(socket.SHUT_WR)


def long_handshake(connection, keys):
    wire.propose(connection, NOISE)
    connection.send(b"\xff\xff" + bytes(65_535))


def weak_key(connection, keys):
    wire.propose(connection, NOISE)
    connection.send(struct.pack(">H", 32) + bytes(32))


def half_a_handshake(connection, keys):
    wire.propose(connection, NOISE)
    connection.send(struct.pack(">H", 200) + bytes(10))
    connection.socket.shutdown(socket.SHUT_WR)


def payload(identity: bytes, signature: bytes) -> bytes:
    return wire.NoiseHandshakePayload(identity_key=identity, identity_sig=signature).SerializeToString()


def bad_signature(connection, keys):
    wire.secure(connection, keys, payload=payload(keys.public, bytes(64)))


def signature_of_another_key(connection, keys):
    stolen = keys.private.sign(b"noise-libp2p-static-key:" + keys_of("another").noise_public)
    wire.secure(connection, keys, payload=payload(keys.public, stolen))


def identity_of_another(connection, keys):
    own = keys.private.sign(b"noise-libp2p-static-key:" + keys.noise_public)
    wire.secure(connection, keys, payload=payload(keys_of("honest").public, own))


def no_identity(connection, keys):
    wire.secure(connection, keys, payload=b"")


def changed_handshake(connection, keys):
    wire.secure(connection, keys, last=lambda message: message[:40] + bytes([message[40] ^ 1]) + message[41:])


def replayed_handshake(connection, keys):
    """What somebody honest sent on another connection, byte for byte."""
    honest = Wire.to(*connection.socket.getpeername())
    muxed(honest, keys).ping()
    honest.close()
    for part in honest.sent:
        connection.send(part)
        time.sleep(0.02)


def changed_frame(connection, keys):
    channel = wire.secure(connection, keys)
    sealed = channel.noise.encrypt(wire.line(wire.MULTISTREAM))
    channel.send_frame(bytes([sealed[0] ^ 1]) + sealed[1:])


def replayed_frame(connection, keys):
    channel = wire.secure(connection, keys)
    sealed = channel.noise.encrypt(wire.line(wire.MULTISTREAM))
    channel.send_frame(sealed)
    channel.send_frame(sealed)


def wrong_version(connection, keys):
    muxed(connection, keys).send(WINDOW, SYN, 1, 0, version=7)


def unknown_frame(connection, keys):
    muxed(connection, keys).send(9, 0, 1, 0)


def overrun_window(connection, keys):
    muxer = muxed(connection, keys)
    stream = muxer.open(None)
    muxer.send(DATA, 0, stream.number, wire.RECEIVE_WINDOW + 1, bytes(65_536))


def announced_flood(connection, keys):
    muxed(connection, keys).send(DATA, SYN, 1, 0xFFFFFFFF, bytes(65_536))


def overflown_window(connection, keys):
    muxer = muxed(connection, keys)
    stream = muxer.open(None)
    for _ in range(3):
        muxer.send(WINDOW, 0, stream.number, 0xFFFFFFFF)


def stream_of_the_other(connection, keys):
    muxed(connection, keys).send(WINDOW, SYN, 2, 0)


def stream_twice(connection, keys):
    muxer = muxed(connection, keys)
    for _ in range(2):
        muxer.send(WINDOW, SYN, 1, 0)


def stream_never_opened(connection, keys):
    muxed(connection, keys).send(DATA, 0, 77, 4, b"lost")


def endless_pings(connection, keys):
    muxer = muxed(connection, keys)
    for number in range(20):
        muxer.channel.send(wire.frame(PING, SYN, 0, number) * 500)


def endless_window_updates(connection, keys):
    muxer = muxed(connection, keys)
    stream = muxer.open(KAD)
    for _ in range(20):
        muxer.channel.send(wire.frame(WINDOW, 0, stream.number, 1) * 500)


def endless_streams(connection, keys):
    muxer = muxed(connection, keys)
    for first in range(0, 20_000, 500):
        muxer.channel.send(b"".join(wire.frame(WINDOW, SYN, 2 * number + 1, 0)
                                    for number in range(first, first + 500)))


def opened_and_reset(connection, keys):
    """What took down web servers in 2023: streams that cost their opener nothing."""
    muxer = muxed(connection, keys)
    for first in range(0, 20_000, 500):
        muxer.channel.send(b"".join(
            wire.frame(WINDOW, flag, 2 * number + 1, 0) for number in range(first, first + 500) for flag in (SYN, RST)))


CLOSED = [
    garbage, another_protocol, long_line, endless_length, endless_proposals, half_a_line, long_handshake, weak_key,
    half_a_handshake, bad_signature, signature_of_another_key, identity_of_another, no_identity, changed_handshake,
    replayed_handshake, changed_frame, replayed_frame, wrong_version, unknown_frame, overrun_window, announced_flood,
    overflown_window, stream_of_the_other, stream_twice, stream_never_opened, endless_pings, endless_window_updates,
    endless_streams, opened_and_reset,
]

# The stream is reset, and the connection lives on. Each is what is sent on a stream of the DHT.

VICTIM = wire.ID.from_base58(keys_of("honest").peer).to_bytes()


def put(key: bytes, record_key: bytes, value: bytes) -> bytes:
    message = Message(type=Message.PUT_VALUE, key=key)
    message.record.key, message.record.value = record_key, value
    return wire.packed(message)


def unsigned_sender() -> bytes:
    message = wire.find_node(VICTIM)
    message.senderRecord = bytes(range(200))
    return wire.packed(message)


RESET = {
    "a length of 5 MiB": wire.varint(5 << 20) + b"x",
    "a length without end": b"\xff" * 12,
    "bytes that are no message": wire.varint(40) + b"\xff" * 40,
    "half a message": wire.varint(200) + bytes(20),
    "a kind that nobody knows": wire.packed(wire.find_node(VICTIM)).replace(b"\x08\x04", b"\x08\x63"),
    "a search for nothing": wire.packed(wire.find_node(b"")),
    "a search for 4 KiB": wire.packed(wire.find_node(bytes(4096))),
    "a value under another key": put(b"/test/a", b"/test/b", b"value"),
    "a value that does not belong to its key": put(b"/pk/" + VICTIM, b"/pk/" + VICTIM, b"no key"),
    "a value nobody can judge": put(b"/nowhere/a", b"/nowhere/a", b"value"),
    "a sender's record with a wrong signature": unsigned_sender(),
}


def is_reset(connection: Wire, keys: Keys, data: bytes) -> bool:
    """Whether a stream that brings this is reset, and a search on another one is answered."""
    muxer = muxed(connection, keys)
    stream = muxer.open(KAD)
    stream.send(data)
    stream.close()
    try:
        stream.read(1)
    except Closed:
        pass
    answers = wire.asked(muxer.open(KAD), wire.find_node(VICTIM)).type == Message.FIND_NODE
    return stream.was_reset and answers


# It is slow, in each phase. It has to be cut off, for all that it goes on.


def slowly(connection: Wire, data: bytes) -> None:
    for byte in data:
        connection.send(bytes([byte]))
        time.sleep(PAUSE)


def slow_hello(connection, keys):
    slowly(connection, wire.line(wire.MULTISTREAM))


def slow_to_begin(connection, keys):
    connection.read(1)


def slow_handshake(connection, keys):
    wire.propose(connection, NOISE)
    slowly(connection, struct.pack(">H", 32) + bytes(range(32)))


def slow_after_handshake(connection, keys):
    wire.propose(connection, NOISE)
    channel = wire.Secured(connection, keys, dials=True)
    for byte in wire.line(wire.MULTISTREAM) * 2:
        channel.send(bytes([byte]))
        time.sleep(PAUSE)


SLOW = [slow_to_begin, slow_hello, slow_handshake, slow_after_handshake]


def slow_streams(connection: Wire, keys: Keys) -> dict[str, wire.Stream]:
    """Streams that begin to say something and go silent. A request itself may take a minute: that is not waited for here."""
    muxer = muxed(connection, keys)
    streams = {"says nothing": muxer.open(None), "half a proposal": muxer.open(None)}
    streams["half a proposal"].send(wire.line(wire.MULTISTREAM) + wire.line(KAD)[:7])
    return streams


# It takes what it can get.


def many_streams(connection: Wire, keys: Keys, count: int) -> int:
    """Opens streams of the DHT and keeps them.

    - Returns: how many it keeps."""
    muxer = muxed(connection, keys)
    data = wire.line(wire.MULTISTREAM) + wire.line(KAD)
    for _ in range(count):
        stream = muxer.open(None)
        muxer.send(DATA, 0, stream.number, len(data), data)
    try:
        muxer.ping()
        end = time.monotonic() + 2
        connection.socket.settimeout(0.5)
        while time.monotonic() < end:
            muxer.pump()
    except (Closed, TimeoutError):
        pass
    # Those of the node's own, such as identify's, have even numbers.
    return sum(stream.number % 2 and not stream.has_ended for stream in muxer.streams.values())


def never_reads(connection: Wire, keys: Keys) -> None:
    """Asks and asks, and takes no answer: not from the window, and not from the socket."""
    muxer = muxed(connection, keys)
    connection.socket.settimeout(3)
    question = wire.packed(wire.find_node(VICTIM)) * 100
    try:
        for _ in range(400):
            stream = muxer.open(None)
            muxer.send(DATA, 0, stream.number, 0)
            body = wire.line(wire.MULTISTREAM) + wire.line(KAD) + question
            muxer.send(DATA, 0, stream.number, len(body), body)
    except (Closed, TimeoutError):
        pass
