"""libp2p on plain sockets, a layer at a time, so that each can lie: multistream-select, Noise XX, Yamux, the DHT's messages.

Every layer is a channel: `send(bytes)` and `read(count)`, which raises `Closed` at the other's end.
"""

import socket
import struct
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from libp2p.peer.id import ID
from libp2p.security.noise.pb.noise_pb2 import NoiseHandshakePayload
from multiaddr import Multiaddr
from noise.connection import Keypair, NoiseConnection

MULTISTREAM, NOISE, YAMUX = "/multistream/1.0.0", "/noise", "/yamux/1.0.0"
IDENTIFY, KAD = "/ipfs/id/1.0.0", "/ipfs/kad/1.0.0"
PATIENCE = 20
"""Seconds that anything may take."""


class Closed(Exception):
    """The other end has ended the connection or the stream."""


class Keys:
    def __init__(self, seed: bytes):
        pair = create_new_key_pair(seed)
        self.private = pair.private_key
        self.public = pair.public_key.serialize()
        self.peer = str(ID.from_pubkey(pair.public_key))
        self.noise = X25519PrivateKey.generate()

    @property
    def noise_public(self) -> bytes:
        return self.noise.public_key().public_bytes_raw()

    def payload(self) -> bytes:
        """What proves who has the Noise key."""
        signature = self.private.sign(b"noise-libp2p-static-key:" + self.noise_public)
        return NoiseHandshakePayload(identity_key=self.public, identity_sig=signature).SerializeToString()


class Wire:
    """A TCP connection."""

    def __init__(self, stream: socket.socket):
        self.socket = stream
        stream.settimeout(PATIENCE)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent = []
        """Everything that was sent."""

    @classmethod
    def to(cls, host: str, port: int) -> "Wire":
        return cls(socket.create_connection((host, port), PATIENCE))

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed(str(error)) from None

    def read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            try:
                part = self.socket.recv(65_536)
            except ConnectionError as error:
                raise Closed(str(error)) from None
            if not part:
                raise Closed("end")
            self.buffer += part
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def closes_within(self, seconds: float) -> bool:
        """Whether the other end closes. What it sends before is passed over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65_536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def close(self) -> None:
        self.socket.close()


# multistream-select


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def read_varint(channel) -> int:
    number = shift = 0
    while True:
        byte = channel.read(1)[0]
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number


def line(protocol: str) -> bytes:
    return varint(len(protocol) + 1) + protocol.encode() + b"\n"


def read_line(channel) -> str:
    return channel.read(read_varint(channel))[:-1].decode()


def propose(channel, protocol: str) -> None:
    """Asks for a protocol; `Closed` when it is refused."""
    channel.send(line(MULTISTREAM) + line(protocol))
    for wanted in (MULTISTREAM, protocol):
        if (found := read_line(channel)) != wanted:
            raise Closed(f"{found!r} to a proposal of {protocol}")


def accept(channel, protocols: list[str]) -> str:
    """Takes the first protocol it is offered that it has."""
    channel.send(line(MULTISTREAM))
    while True:
        offered = read_line(channel)
        if offered in protocols:
            channel.send(line(offered))
            return offered
        if offered != MULTISTREAM:
            channel.send(line("na"))


# Noise


class Secured:
    """A channel after the Noise handshake. `payload` is what is said of the own identity."""

    def __init__(self, wire: Wire, keys: Keys, dials: bool, payload: bytes | None = None, last=None):
        self.wire = wire
        self.buffer = b""
        self.noise = NoiseConnection.from_name(b"Noise_XX_25519_ChaChaPoly_SHA256")
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, keys.noise.private_bytes_raw())
        payload = keys.payload() if payload is None else payload
        self.noise.set_as_initiator() if dials else self.noise.set_as_responder()
        self.noise.start_handshake()
        if dials:
            self.send_frame(bytes(self.noise.write_message(b"")))
        self.take(self.noise.read_message(self.read_frame()))
        message = bytes(self.noise.write_message(payload))
        # Of the dialler's last message, another may be sent.
        self.send_frame(last(message) if last else message)
        if not dials:
            self.take(self.noise.read_message(self.read_frame()))

    def take(self, payload) -> None:
        if payload:
            said = NoiseHandshakePayload.FromString(bytes(payload))
            self.remote_key = said.identity_key

    def send_frame(self, data: bytes) -> None:
        self.wire.send(struct.pack(">H", len(data)) + data)

    def read_frame(self) -> bytes:
        return self.wire.read(struct.unpack(">H", self.wire.read(2))[0])

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), 65_519):
            self.send_frame(self.noise.encrypt(data[start:start + 65_519]))

    def read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.buffer += self.noise.decrypt(self.read_frame())
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


def secure(wire: Wire, keys: Keys, **lies) -> Secured:
    propose(wire, NOISE)
    return Secured(wire, keys, dials=True, **lies)


# Yamux

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
RECEIVE_WINDOW = 256 * 1024


def frame(kind: int, flags: int, stream: int, length: int, version: int = 0) -> bytes:
    return struct.pack(">BBHII", version, kind, flags, stream, length)


class Muxer:
    """One end of a Yamux session. Whoever reads a stream reads the frames of all."""

    def __init__(self, channel, dials: bool):
        self.channel = channel
        self.next = 1 if dials else 2
        self.streams: dict[int, "Stream"] = {}
        self.opened: list["Stream"] = []
        """Streams that the other end has opened and nobody has taken."""
        self.pongs = 0
        self.is_gone = False

    def send(self, kind: int, flags: int, stream: int, length: int, body: bytes = b"", version: int = 0) -> None:
        self.channel.send(frame(kind, flags, stream, length, version) + body)

    def pump(self) -> None:
        """Takes one frame."""
        _, kind, flags, number, length = struct.unpack(">BBHII", self.channel.read(12))
        if kind == PING:
            if flags & SYN:
                self.send(PING, ACK, 0, length)
            else:
                self.pongs += 1
        elif kind == GO_AWAY:
            self.is_gone = True
        else:
            if flags & SYN:
                self.streams[number] = stream = Stream(self, number)
                self.opened.append(stream)
                self.send(WINDOW, ACK, number, 0)
            stream = self.streams.get(number)
            body = self.channel.read(length) if kind == DATA else b""
            if stream:
                stream.take(kind, flags, length, body)

    def open(self, protocol: str | None) -> "Stream":
        stream = Stream(self, self.next)
        self.streams[self.next] = stream
        self.next += 2
        self.send(WINDOW, SYN, stream.number, 0)
        if protocol:
            propose(stream, protocol)
        return stream

    def taken(self) -> "Stream":
        """The next stream that the other end opens."""
        while not self.opened:
            self.pump()
        return self.opened.pop(0)

    def ping(self) -> None:
        """Asks for an answer: what was sent before has been read by then."""
        before = self.pongs
        self.send(PING, SYN, 0, 0x6B61)
        while self.pongs == before:
            self.pump()


class Stream:
    def __init__(self, muxer: Muxer, number: int):
        self.muxer, self.number = muxer, number
        self.buffer = b""
        self.window = RECEIVE_WINDOW
        self.has_ended = self.was_reset = False

    def take(self, kind: int, flags: int, length: int, body: bytes) -> None:
        self.buffer += body
        self.was_reset |= bool(flags & RST)
        self.has_ended |= bool(flags & (FIN | RST))
        if kind == WINDOW:
            self.window += length
        elif length:
            self.muxer.send(WINDOW, 0, self.number, length)

    def send(self, data: bytes) -> None:
        while data:
            while self.window == 0:
                self.pump()
            part, data = data[:self.window], data[self.window:]
            self.window -= len(part)
            self.muxer.send(DATA, 0, self.number, len(part), part)

    def pump(self) -> None:
        if self.has_ended:
            raise Closed("reset" if self.was_reset else "end")
        self.muxer.pump()

    def read(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.pump()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def close(self) -> None:
        self.muxer.send(DATA, FIN, self.number, 0)


def multiplex(channel: Secured) -> Muxer:
    propose(channel, YAMUX)
    return Muxer(channel, dials=True)


def dialled(host: str, port: int, keys: Keys) -> Muxer:
    """An honest connection up to the muxer."""
    return multiplex(secure(Wire.to(host, port), keys))


# The DHT's messages


def packed(message: Message) -> bytes:
    body = message.SerializeToString()
    return varint(len(body)) + body


def asked(stream: Stream, message: Message) -> Message:
    stream.send(packed(message))
    return Message.FromString(stream.read(read_varint(stream)))


def find_node(key: bytes) -> Message:
    return Message(type=Message.FIND_NODE, key=key)
