"""An acknowledged write is visible to the next question, whichever worker it reaches."""

import socket
import struct

import pytest

from dns_client import split_address

SOCKETS = 16  # the kernel chooses the worker by the ports, so some go to each
N = 10000


class Bare:
    """Registers and asks with as little as possible between the reply and the question."""

    def __init__(self, s):
        host, port = split_address(s.ready["dns"][0])
        self.udp = []
        for _ in range(SOCKETS):
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.settimeout(5)
            u.connect((host, port))
            self.udp.append(u)
        self.control = socket.create_connection(split_address(s.ready["registry"][0]), 5)
        self.control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def command(self, line, end):
        self.control.sendall(line.encode() + b"\r\n")
        reply = b""
        while reply.count(b"\r\n") < end:
            part = self.control.recv(4096)
            assert part
            reply += part
        assert not reply.startswith(b"-"), reply
        return reply

    def addresses(self, service, i):
        """The A records, as text, by the i-th socket."""
        labels = b"".join(bytes([len(label)]) + label.encode() for label in (service, "service", "local"))
        u = self.udp[i % SOCKETS]
        u.send(struct.pack("!6H", i & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1")
        answer = u.recv(4096)
        assert answer[:2] == struct.pack("!H", i & 0xFFFF)
        count = struct.unpack("!H", answer[6:8])[0]
        records = answer[12 + len(labels) + 5:]
        return [socket.inet_ntoa(records[k * 16 + 12:k * 16 + 16]) for k in range(count)]

    def close(self):
        for u in self.udp:
            u.close()
        self.control.close()


@pytest.fixture
def bare(server):
    s = server(options={"server.workers": 2, "server.log_level": "warn"})
    b = Bare(s)
    yield b
    b.close()


def address(i):
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


def misses(bare, write):
    """Questions, out of N, whose answer is not what the write before them said."""
    count = 0
    for i in range(N):
        service, expected = write(i)
        count += bare.addresses(service, i) != expected
    return count


@pytest.mark.seconds(180)
def test_new_services(bare):
    def write(i):
        bare.command(f"REGISTER s{i} {address(i)} 80", 5)
        return f"s{i}", [address(i)]
    assert misses(bare, write) == 0


@pytest.mark.seconds(180)
def test_replaced_registrations(bare):
    def write(i):
        bare.command(f"REGISTER web {address(i)} 80 ID one", 5)
        return "web", [address(i)]
    assert misses(bare, write) == 0


@pytest.mark.seconds(180)
def test_coming_and_going(bare):
    def write(i):
        if i % 2 == 0:
            bare.command(f"REGISTER web {address(i)} 80 ID one", 5)
            return "web", [address(i)]
        bare.command("DEREGISTER web one", 1)
        return "web", []
    assert misses(bare, write) == 0
