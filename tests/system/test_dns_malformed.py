"""Bytes that no client sends. The bar: the answer that the design names, or silence, or a closed connection; and the next
good question is answered."""

import random
import struct

import dns.exception
import dns.message
import pytest
from waiting import wait_until

GOOD = dns.message.make_query("web.service.local", "A", use_edns=0).to_wire()
HEADER = struct.pack("!6H", 0x4242, 0x0100, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def world(module_server):
    s = module_server(options={"dns.tcp_idle": "2s"})
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    return s


def is_well(s):
    """A good question is answered by UDP and TCP. A flood may fill the socket's buffer, and then the kernel drops what
    comes next, so UDP may ask again, as every resolver does."""
    def answered():
        try:
            return s.ask("web.service.local", timeout=1) == ["10.0.0.1"]
        except dns.exception.Timeout:
            return False

    return wait_until(answered, 10, "a good question is answered") and s.ask("web.service.local", tcp=True) == ["10.0.0.1"]


def flood(s, packets):
    """Sends all of them; answers are read and must be answers."""
    with s.dns.udp_socket(0.2) as sock:
        for i, packet in enumerate(packets):
            sock.send(packet)
            if i % 16 == 15:
                drain(sock)
        drain(sock)
    assert is_well(s)


def drain(sock):
    sock.setblocking(False)
    try:
        while True:
            answer = sock.recv(65535)
            assert len(answer) >= 12 and answer[2] & 0x80
    except BlockingIOError:
        pass
    finally:
        sock.settimeout(0.2)


def test_random_bytes(world):
    rng = random.Random(1)
    flood(world, [rng.randbytes(rng.randrange(1, 600)) for _ in range(5000)])


def test_random_bytes_after_a_good_header(world):
    rng = random.Random(2)
    flood(world, [HEADER + rng.randbytes(rng.randrange(0, 300)) for _ in range(5000)])


def test_every_prefix(world):
    flood(world, [GOOD[:n] for n in range(len(GOOD))])


def test_every_flipped_bit(world):
    flood(world, [GOOD[:i] + bytes([GOOD[i] ^ 1 << b]) + GOOD[i + 1:] for i in range(len(GOOD)) for b in range(8)])


POINTERS = {
    "to itself": b"\xc0\x0c",
    "to the header": b"\xc0\x00",
    "forward": b"\xc0\xff",
    "after a label": b"\3web\xc0\x0c",
    "past the end": b"\xff\xff",
    "reserved 0x40": b"\x41a\0",
    "reserved 0x80": b"\x81a\0",
    "name of 256 bytes": b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 3 + b"\0",
    "label past the end": b"\x3fabc",
    "no end": b"\1a" * 100,
}


@pytest.mark.parametrize("name", POINTERS.values(), ids=POINTERS.keys())
def test_broken_names_are_formerr(world, name):
    answer = world.dns.send_udp(HEADER + name + b"\0\1\0\1")
    assert answer[:2] == b"\x42\x42" and answer[3] & 15 == 1
    assert is_well(world)


def test_oversized_datagram(world):
    answer = world.dns.send_udp(GOOD + b"\0" * 20000, timeout=1)
    assert answer is None or answer[3] & 15 == 1
    assert is_well(world)


@pytest.mark.parametrize("size", [12, 100, 4096, 65535])
def test_tcp_messages_of_rubbish(world, size):
    with world.dns.tcp() as t:
        t.send(b"\x42\x42\1\0\0\1\0\0\0\0\0\0" + b"\xff" * (size - 12))
        answer = t.receive()
        assert answer is None or answer[3] & 15 == 1
    assert is_well(world)


def test_tcp_good_question_with_65535_bytes(world):
    """A question followed by padding inside one OPT option: legal, if odd."""
    padding = 65535 - len(GOOD) - 4
    packet = GOOD[:-2] + struct.pack("!HHH", padding + 4, 12, padding) + b"\0" * padding
    assert len(packet) == 65535
    with world.dns.tcp() as t:
        t.send(packet)
        assert dns.message.from_wire(t.receive()).answer
    assert is_well(world)


def test_tcp_too_short_messages(world):
    for size in range(12):
        with world.dns.tcp() as t:
            t.send(b"\0" * size)
            t.send(GOOD)
            answer = t.receive()
            assert answer is None or answer[:2] == GOOD[:2]
    assert is_well(world)


def test_tcp_byte_by_byte_and_all_at_once(world):
    with world.dns.tcp() as t:
        for byte in struct.pack("!H", len(GOOD)) + GOOD:
            t.send_raw(bytes([byte]))
        assert dns.message.from_wire(t.receive()).answer
        t.send_raw((struct.pack("!H", len(GOOD)) + GOOD) * 500)
        for _ in range(500):
            assert dns.message.from_wire(t.receive()).answer


def test_half_a_message_is_given_up(world):
    with world.dns.tcp(timeout=10) as t:
        t.send_raw(struct.pack("!H", len(GOOD)) + GOOD[:10])
        assert t.is_closed()
    assert is_well(world)


def test_a_client_that_asks_and_never_reads(world):
    """64 KiB answers that nobody takes: the server stops reading from that client, and serves the others."""
    with world.dns.tcp(timeout=1) as t:
        try:
            for _ in range(2000):
                t.send_raw((struct.pack("!H", len(GOOD)) + GOOD) * 50)
        except (TimeoutError, ConnectionError):
            pass
        assert is_well(world)
