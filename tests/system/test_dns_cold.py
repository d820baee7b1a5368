"""Names that are built when they are asked for: clients see nothing of it but that thousands of first questions at once, over
UDP, may have to be asked again."""

import random
import socket
import struct

import dns.message
import dns.rcode
import pytest

from dns_client import split_address
from stopped_thread import StoppedThread
from waiting import wait_until

DOMAIN = "service.local"
SERVICES = 1000


def figures(s):
    info = s.call("INFO", "dns")
    if not isinstance(info, dict):
        info = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    return {name: int(value) for name, value in info.items() if str(value).isdigit()}


def frame(message):
    wire = message.to_wire()
    return struct.pack("!H", len(wire)) + wire


def register_many(s, n, per_service=1):
    with s.redis() as redis:
        pipe = redis.pipeline(transaction=False)
        for i in range(n):
            for k in range(per_service):
                pipe.execute_command("REGISTER", f"svc{i}", f"10.{k}.{i >> 8}.{i & 255}", 80, "ID", f"n{k}")
        pipe.execute()


def test_first_questions_on_a_connection_keep_their_order(server):
    s = server()
    register_many(s, 200)
    before = figures(s)
    names = [f"svc{i}.{DOMAIN}" if i % 3 else f"n0.svc{i}.{DOMAIN}" for i in range(200)] + [f"nowhere.{DOMAIN}"]
    messages = [dns.message.make_query(name, "A") for name in names]
    with s.dns.tcp() as tcp:
        tcp.send_raw(b"".join(frame(m) for m in messages))
        answers = [dns.message.from_wire(tcp.receive()) for _ in messages]
    for m, a in zip(messages[:-1], answers):
        assert m.is_response(a) and len(a.answer) == 1, a
    assert answers[-1].rcode() == dns.rcode.NXDOMAIN
    after = figures(s)
    assert after["tcp_parked"] - before["tcp_parked"] == 200
    assert after["names_hot"] - before["names_hot"] == 200
    assert after["queries"] - before["queries"] == len(messages)


def test_a_flood_of_first_questions(server):
    s = server()
    register_many(s, SERVICES)
    left = {i: dns.message.make_query(f"svc{i}.{DOMAIN}", "A", id=i) for i in range(SERVICES)}
    with s.dns.udp_socket(timeout=1) as udp:
        for _ in range(50):
            for m in left.values():
                udp.send(m.to_wire())
            try:
                while left:
                    a = dns.message.from_wire(udp.recv(4096))
                    assert len(a.answer) == 1
                    left.pop(a.id, None)
            except TimeoutError:
                pass
            if not left:
                break
    assert not left
    now = figures(s)
    assert now["names_hot"] == SERVICES
    assert now["udp_parked"] >= now["names_hot"]


def unread(port):
    """Bytes that wait in the receive buffers of 127.0.0.1:port."""
    with open("/proc/net/udp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1] == f"0100007F:{port:04X}")


BURSTS, EACH = 40, 50  # each burst fits a receive buffer of 208 KiB, Linux' default limit, and so do its answers


def test_a_popular_name_that_is_cold(server):
    """Nothing is built while all of them ask: two thousand wait, then all are answered."""
    s = server(options={"server.workers": 1})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    s.call("REGISTER", "other", "10.0.0.2", 80)
    if (reason := StoppedThread.why_not(s.pid)) is not None:
        pytest.skip(reason)
    address = split_address(s.ready["dns"][0])
    before = figures(s)
    queries = [dns.message.make_query(f"{name}.{DOMAIN}", "A", id=0).to_wire()[2:] for name in ("web", "other")]
    sockets = []
    with StoppedThread(s.pid):  # the control thread
        for _ in range(BURSTS):
            sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sockets[-1].connect(address)
            sockets[-1].settimeout(10)
            for k in range(EACH):
                sockets[-1].send(struct.pack("!H", k) + queries[k % 2])
            wait_until(lambda: unread(address[1]) == 0, what="the questions are read")
    for client in sockets:
        answers = [dns.message.from_wire(client.recv(4096)) for _ in range(EACH)]
        assert [a.id for a in answers] == list(range(EACH))
        assert all(len(a.answer) == 1 for a in answers)
        client.close()
    after = figures(s)
    assert after["udp_parked"] - before["udp_parked"] == BURSTS * EACH
    assert after["udp_parked_dropped"] == before["udp_parked_dropped"]
    assert after["names_wanted"] - before["names_wanted"] == 2
    assert s.dns.query(f"web.{DOMAIN}", "A").answer


def test_names_at_random_do_not_reach_the_registry(server):
    s = server()
    register_many(s, 10, per_service=20)
    wanted = figures(s)["names_wanted"]
    for _ in range(500):
        name = f"{random.getrandbits(64):x}.svc{random.randrange(10)}.{DOMAIN}"
        assert s.dns.rcode(name, "A") == "NXDOMAIN"
    assert figures(s)["names_wanted"] == wanted


def test_an_id_that_comes_and_goes(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "stays")
    for _ in range(5):
        assert s.dns.rcode(f"a.web.{DOMAIN}", "A") == "NXDOMAIN"
        s.call("REGISTER", "web", "10.0.0.2", 80, "ID", "a")
        assert [r.address for r in s.dns.query(f"a.web.{DOMAIN}", "A").answer[0]] == ["10.0.0.2"]
        s.call("DEREGISTER", "web", "a")
    wait_until(lambda: figures(s)["names_cold"] + figures(s)["names_hot"] == 1)
