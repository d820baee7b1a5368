"""DNS over TCP: pipelining, framing, idle connections and their limits."""

import resource
import socket
import struct
import time

import dns.edns
import dns.message
import dns.rcode
import pytest

from dns_client import split_address
from waiting import wait_until

NAME = "web.service.local"


def question(name=NAME, rdtype="A"):
    return dns.message.make_query(name, rdtype).to_wire()


def counter(s, name):
    info = s.call("INFO", "dns")
    if isinstance(info, dict):
        return int(info[name])
    return int(next(line.split(":")[1] for line in info.splitlines() if line.startswith(name + ":")))


@pytest.fixture
def files():
    """Many descriptors for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    yield min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_pipelined_questions(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80)
    messages = [dns.message.make_query(NAME, "A") for _ in range(1000)]
    with s.dns.tcp() as tcp:
        tcp.send_raw(b"".join(struct.pack("!H", len(m.to_wire())) + m.to_wire() for m in messages))
        answers = [dns.message.from_wire(tcp.receive()) for _ in messages]
    assert all(m.is_response(a) and len(a.answer) == 1 for m, a in zip(messages, answers))


def test_questions_then_fin_are_answered(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80)
    with s.dns.tcp() as tcp:
        tcp.send(question())
        tcp.send(question())
        tcp.socket.shutdown(socket.SHUT_WR)
        assert tcp.receive() is not None and tcp.receive() is not None
        assert tcp.receive() is None


def test_an_idle_connection_is_closed_after_tcp_idle(server):
    s = server(options={"dns.tcp_idle": "400ms"})
    with s.dns.tcp() as tcp:
        begin = time.monotonic()
        assert tcp.is_closed()
        assert 0.3 < time.monotonic() - begin < 3
    assert counter(s, "tcp_closed_idle") == 1


def test_questions_keep_a_connection_and_single_bytes_do_not(server):
    s = server(options={"dns.tcp_idle": "500ms"})
    with s.dns.tcp() as asking, s.dns.tcp() as trickling:
        end = time.monotonic() + 1.5
        trickle, is_closed = iter(struct.pack("!H", 4000) + bytes(4000)), False
        while time.monotonic() < end:
            asking.query(NAME)
            try:
                trickling.send_raw(bytes([next(trickle)]))
            except (BrokenPipeError, ConnectionResetError):
                is_closed = True
            time.sleep(0.05)
        assert is_closed
        asking.query(NAME)


def test_the_keepalive_option_tells_the_idle_time(server):
    s = server(options={"dns.tcp_idle": "20s"})
    q = dns.message.make_query(NAME, "A", use_edns=0, options=[dns.edns.GenericOption(11, b"")])
    with s.dns.tcp() as tcp:
        tcp.send(q.to_wire())
        answer = dns.message.from_wire(tcp.receive())
    told = [o for o in answer.options if int(o.otype) == 11]
    assert [o.to_wire() for o in told] == [struct.pack("!H", 200)]


def test_one_address_cannot_have_all_connections(server):
    s = server(options={"dns.tcp_clients_per_address": 5})
    held = [s.dns.tcp() for _ in range(5)]
    for tcp in held:
        tcp.query(NAME)
    with s.dns.tcp() as one_more:
        assert one_more.is_closed()
    assert counter(s, "tcp_limited") == 1
    held.pop().socket.close()
    wait_until(lambda: counter(s, "tcp_open") == 4, what="the closed connection is gone")
    with s.dns.tcp() as again:
        again.query(NAME)
    for tcp in held:
        tcp.query(NAME)
        tcp.socket.close()


def test_the_one_idle_longest_makes_room(server):
    s = server(options={"dns.tcp_clients": 3})
    old, older, young = s.dns.tcp(), s.dns.tcp(), s.dns.tcp()
    for tcp in (old, older, young, old):
        tcp.query(NAME)
    with s.dns.tcp() as newest:
        newest.query(NAME)
        assert older.is_closed()
        for tcp in (old, young):
            tcp.query(NAME)
            tcp.socket.close()
    assert counter(s, "tcp_closed_for_new") == 1


def hold(host, port, n, addresses=50):
    """n connections from many client addresses, none of which says anything."""
    sockets = []
    for i in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.bind((f"127.0.1.{i % addresses + 1}", 0))
        try:
            s.connect((host, port))
        except BlockingIOError:
            pass
        sockets.append(s)
    return sockets


@pytest.mark.seconds(120)
def test_ten_thousand_idle_connections(server, files):
    n = min(10000, files - 200)
    s = server(options={"server.workers": 2, "dns.tcp_idle": "60s", "dns.tcp_clients": 1000,
                        "dns.tcp_clients_per_address": 1000})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    sockets = hold(s.dns.host, s.dns.port, n)
    wait_until(lambda: counter(s, "tcp_accepted") == n, 30, "all were accepted")
    assert counter(s, "tcp_open") <= 2000
    for _ in range(20):
        assert s.ask(NAME, tcp=True) == ["10.0.0.1"]
        assert s.ask(NAME) == ["10.0.0.1"]
    for held in sockets:
        held.close()
    wait_until(lambda: counter(s, "tcp_open") == 0, 30, "all are gone")


def test_without_descriptors_the_oldest_make_room(server, files):
    s = server(options={"dns.tcp_clients": 1000, "dns.tcp_clients_per_address": 1000})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (64, 64))
    sockets = hold(s.dns.host, s.dns.port, 300)
    wait_until(lambda: counter(s, "tcp_accepted") >= 300, 20, "all were accepted")
    assert counter(s, "tcp_accept_errors") > 0 and counter(s, "tcp_open") < 64
    assert s.ask(NAME, tcp=True) == ["10.0.0.1"]
    for held in sockets:
        held.close()


def test_a_flood_of_connections_that_reset(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80)
    for _ in range(500):
        with socket.create_connection(split_address(s.ready["dns"][0]), 5) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.sendall(b"\x00\x1d" + question()[:7])
    wait_until(lambda: counter(s, "tcp_open") == 0, what="all are gone")
    assert s.ask(NAME, tcp=True) == ["10.0.0.1"]


def test_refused_clients_are_told_on_tcp(server):
    s = server(options={"dns.allow": "192.0.2.0/24"})
    with s.dns.tcp() as tcp:
        assert tcp.query(NAME, use_edns=0).rcode() == dns.rcode.REFUSED
