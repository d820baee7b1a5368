"""Every kind of noise and greed on the protocol's port: a clear answer or a closed connection, bounded memory, and the next
good request is answered."""

import os
import random
import resource
import signal
import socket
import threading
import time

import pytest

from memory import MEASURED, resident_kb
from resp_client import Closed, Error, RespClient, encode
from waiting import stays, wait_until


def connect(s, **kw):
    return RespClient((s.registry_host, s.registry_port), **kw)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def send_until_closed(client, data):
    try:
        client.send_raw(data)
    except OSError:
        pass  # the test has seen enough


def is_well(s):
    return s.redis().ping() and s.redis().execute_command("LIST") is not None


# ── noise ──

@pytest.mark.parametrize("noise", [
    b"*1\r\n:4\r\n", b"*x\r\n", b"*-x\r\n", b"*1\r\n$-5\r\n", b"*2\r\n$4\r\nPING\r\nPING\r\n", b"*1\r\n$4\r\nPINGPING",
    b"*" + b"1" * 100, b"*1\r\n$99999999999999999999\r\n", b"*1000000\r\n",
], ids=repr)
def test_lost_framing_is_told_and_closed(server, noise):
    s = server()
    with connect(s) as c:
        c.send_raw(encode("PING") + noise + encode("PING"))
        assert c.read() == "PONG"
        error = c.read()
        assert isinstance(error, Error) and error.split()[0] in ("BADARG", "LIMIT")
        with pytest.raises(Closed):
            c.read()
    assert is_well(s)


@pytest.mark.parametrize("noise", [
    b"REGISTER \"web\n", b"A 'b'c\n", b"*2\r\n$4\r\nPING\r\n$3\r\na\0b\r\n", b"\0\0\0\n", b"\xff\xfe\n", b"RENEW \x00 a\n",
    b"A " * 2000 + b"\n", b"*1\r\n$0\r\n\r\n",
], ids=lambda n: repr(n[:24]))
def test_a_wrong_request_is_told_and_skipped(server, noise):
    s = server()
    with connect(s) as c:
        c.send_raw(noise + encode("PING"))
        assert isinstance(c.read(), Error)
        assert c.read() == "PONG"


def test_http_is_not_spoken_here(server):
    """A web page can make a browser post to a loopback port: the body must not be run."""
    s = server()
    with connect(s) as c:
        c.send_raw(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\nREGISTER evil 10.0.0.1 80\r\n")
        assert "not HTTP" in c.read()
        assert c.is_closed()
    assert s.call("LIST") == []


def test_random_bytes(server):
    s = server()
    rng = random.Random(7)
    for _ in range(300):
        with connect(s) as c:
            try:
                c.send_raw(rng.randbytes(rng.randrange(1, 5000)))
                c.socket.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # the server had closed already
            assert c.is_closed()
    assert is_well(s)


# ── greed ──

def test_an_inline_request_of_a_mebibyte(server):
    s = server()
    with connect(s) as c:
        c.send_raw(b"REGISTER " + b"x" * (1 << 20) + b"\nPING\n")
        error = c.read()
        assert error.startswith("LIMIT the request is longer than 65536 bytes (line_max)")
        with pytest.raises(Closed):
            c.read()
    assert is_well(s)


def test_a_word_of_a_mebibyte(server):
    s = server()
    with connect(s) as c:
        c.send("REGISTER", "x" * (1 << 20))
        assert c.read().startswith("LIMIT ")
        assert c.is_closed()
    assert is_well(s)


def test_line_max_is_an_option(server):
    s = server(options={"registry.line_max": "2m"})
    with connect(s) as c:
        assert c.call("PING", "x" * (1 << 20)) == "x" * (1 << 20)
        assert c.call("RENEW", "x" * 1000, "a").startswith("BADARG ")


def test_a_million_pipelined_errors(server):
    s = server(env=MEASURED)
    n = 1000000
    before = resident_kb(s.pid)
    with connect(s, timeout=30) as c:
        sender = threading.Thread(target=c.send_raw, args=(b"X\n" * n,))
        sender.start()
        received, size = 0, 0
        line = None
        while received < n:
            data = c.socket.recv(1 << 20)
            assert data
            line = line or data.split(b"\r\n")[0]
            received += data.count(b"\r\n")
            size += len(data)
        sender.join()
        assert line == b'-BADARG unknown verb "X"; HELP lists the verbs'
        assert size == n * (len(line) + 2)
        c.send("PING")
        assert c.read() == "PONG"
    assert resident_kb(s.pid) - before < 8000
    assert is_well(s)


def test_a_client_that_asks_and_does_not_read(server):
    """Its requests wait in its own socket; the server keeps a bounded part. When it reads, it gets everything in order."""
    s = server(env=MEASURED)
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "a", "TTL", "1h")
    n = 200000
    before = resident_kb(s.pid)
    with connect(s, timeout=30, receive_buffer=4096) as c:
        request = b"RENEW web a\nPING\nLIST\n"
        sender = threading.Thread(target=send_until_closed, args=(c, request * n))
        sender.start()
        wait_until(lambda: s.redis().info("clients")["requests_total"] > 1000, 5, "it has begun")
        count = []

        def is_stuck():
            count.append(s.redis().info("clients")["requests_total"])
            return len(count) > 20 and count[-1] - count[-21] == 20  # our own INFO requests
        wait_until(is_stuck, 10, "the client's requests wait")
        assert resident_kb(s.pid) - before < 8000
        assert is_well(s)
        for _ in range(n // 100):
            assert c.read() == 3600
            assert c.read() == "PONG"
            assert c.read()[0][1] == "web"
        c.socket.shutdown(socket.SHUT_RDWR)
        sender.join()


def test_a_flood_of_long_requests_leaves_room_for_others(server):
    """Each LIST takes milliseconds, and a connection may send ten thousand at once: others have their turn in between."""
    s = server(options={"registry.output_max": "64k"})
    p = s.redis().pipeline(transaction=False)
    for i in range(2000):
        p.execute_command("REGISTER", f"web{i}", "10.0.0.1", 80, "TTL", "2s" if i == 0 else "1h")
    p.execute()
    floods = [connect(s) for _ in range(4)]
    senders = [threading.Thread(target=send_until_closed, args=(c, b"LIST\n" * 10000)) for c in floods]
    for t in senders:
        t.start()
    for t in senders:
        t.join()
    asked = s.redis().info("clients")["requests_total"]
    start = time.monotonic()
    for _ in range(20):
        with connect(s) as c:
            assert c.call("PING") == "PONG"
    assert time.monotonic() - start < 5
    wait_until(lambda: s.ask("web0.service.local") == [], 5, "leases end meanwhile")
    assert asked < 40000, "the flood was over before anybody could suffer from it"
    for c in floods:
        c.close()


def test_the_end_of_a_session_with_ten_thousand_instances(server):
    """All of its leases are cut at once; nobody waits for that."""
    s = server()
    n = 10000
    with connect(s, timeout=30) as c:
        out = b"".join(encode("REGISTER", "web", "10.0.0.1", 1 + i, "ID", f"i{i}", "TTL", "1h", "SESSION") for i in range(n))
        sender = threading.Thread(target=c.send_raw, args=(out,))
        sender.start()
        for i in range(n):
            assert c.read()[0] == f"i{i}"
        sender.join()
    with connect(s) as c:
        worst, is_cut = 0, False
        while not is_cut:
            start = time.monotonic()
            assert c.call("PING") == "PONG"
            worst = max(worst, time.monotonic() - start)
            start = time.monotonic()
            left = c.call("LIST", "web")[-1]
            is_cut = dict(zip(left[::2], left[1::2]))["left"] <= 5
            worst = max(worst, time.monotonic() - start)
    assert worst < 1


def test_a_reply_larger_than_the_output(server):
    s = server(options={"registry.output_max": "64k", "registry.line_max": "1m"})
    with connect(s) as c:
        assert c.call("PING", "x" * 300000).startswith("LIMIT the reply does not fit")
        assert c.call("PING") == "PONG"


def test_a_list_larger_than_the_output_comes_by_and_by(server):
    """Of a reader that is slow only so much waits in the server, others are served meanwhile, and what the reader asked
    next comes after the list."""
    s = server(options={"registry.output_max": "64k", "registry.max_instances": 100000}, env=MEASURED)
    n = 50000
    p = s.redis().pipeline(transaction=False)
    for i in range(n):
        p.execute_command("REGISTER", "web", "10.0.0.1", 80, "ID", f"i{i}", "TTL", "1h")
    p.execute()
    before = resident_kb(s.pid)
    with connect(s, timeout=30) as slow, connect(s) as other:
        slow.send_raw(encode("LIST", "web") + encode("PING", "after"))
        assert other.call("PING") == "PONG"
        assert resident_kb(s.pid) - before < 4096
        assert other.call("DEREGISTER", "web", f"i{n - 1}") == 1
        items = slow.read()
        assert len(items) == n and items[-1] is None
        assert [item[1] for item in items[:-1]] == [f"i{i}" for i in range(n - 1)]
        assert slow.read() == "after"


def test_replies_keep_the_order_over_twenty_thousand_requests(server):
    s = server()
    n = 5000
    with connect(s, timeout=30) as c:
        out = b"".join(encode("REGISTER", "web", "10.0.0.1", 1 + i, "ID", f"i{i}") + encode("PING", f"p{i}") +
                       encode("RENEW", "web", f"i{i}") + b"NOSUCHVERB\n" for i in range(n))
        sender = threading.Thread(target=c.send_raw, args=(out,))
        sender.start()
        for i in range(n):
            assert c.read()[0] == f"i{i}"
            assert c.read() == f"p{i}"
            assert c.read() == 30
            assert c.read().startswith("BADARG unknown verb")
        sender.join()


def test_requests_in_pieces(server):
    s = server()
    with connect(s) as c:
        for byte in encode("REGISTER", "web", "10.0.0.1", 80, "ID", "a"):
            c.send_raw(bytes([byte]))
        assert c.read()[0] == "a"
        for part in (b"RENEW", b" web", b" a\r", b"\nPI", b"NG\n"):
            c.send_raw(part)
        assert c.read() == 30
        assert c.read() == "PONG"


# ── many ──

@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections(server, many_descriptors):
    n = 10000
    if many_descriptors < n + 200:
        pytest.skip(f"only {many_descriptors} file descriptors are allowed")
    s = server(options={"registry.clients": n + 10}, env=MEASURED)
    before = resident_kb(s.pid)
    idle = []
    try:
        for i in range(n):
            c = socket.create_connection((s.registry_host, s.registry_port))
            idle.append(c)
            if i % 2:
                c.send(b"PING\r\nREN")
        wait_until(lambda: s.redis().info("clients")["connected_clients"] == n + 1, 10)
        assert (resident_kb(s.pid) - before) / n < 2  # KiB of each
        start = time.monotonic()
        s.call("REGISTER", "web", "10.0.0.1", 80)
        assert s.ask("web.service.local") == ["10.0.0.1"]
        assert time.monotonic() - start < 1
        assert all(c.recv(100) == b"+PONG\r\n" for c in idle[1::500])
    finally:
        for c in idle:
            c.close()
    wait_until(lambda: s.redis().info("clients")["connected_clients"] < 5, 10)
    assert is_well(s)


def test_one_client_too_many(server):
    s = server(options={"registry.clients": 5})
    clients = [connect(s) for _ in range(5)]
    assert all(c.call("PING") == "PONG" for c in clients)
    with connect(s) as c:
        assert c.read().startswith("LIMIT too many clients")
        assert c.is_closed()
    clients.pop().close()
    wait_until(lambda: is_well_as_client(s), 5, "there is a seat again")
    for c in clients:
        assert c.call("PING") == "PONG"
        c.close()


def test_no_more_descriptors(server):
    """Clients are told, not left waiting; the listener does not spin; when one leaves the next may come."""
    s = server()
    assert is_well_as_client(s)
    wait_until(lambda: s.redis().info("clients")["connected_clients"] == 1)
    limit = descriptors(s.pid) + 20
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (limit, limit))
    clients = []
    with pytest.raises(AssertionError, match="LIMIT the server has no more file descriptors"):
        for _ in range(40):
            clients.append(connect(s))
            reply = clients[-1].call("PING")
            assert reply == "PONG", reply
    assert 15 <= len(clients) <= 22
    for _ in range(50):
        with connect(s) as c:
            assert c.read().startswith("LIMIT ")
    assert clients[0].call("PING") == "PONG"
    for c in clients[1:]:
        c.close()
    wait_until(lambda: is_well_as_client(s), 5, "there is room again")


def test_every_listener(server):
    s = server(registry="127.0.0.1:0,[::1]:0")
    addresses = s.ready["registry"]
    assert len(addresses) == 3
    for address in addresses:
        if address.startswith("unix:"):
            where = address[len("unix:"):]
        else:
            host, port = address.rsplit(":", 1)
            where = (host.strip("[]"), int(port))
        with RespClient(where) as c:
            assert c.call("PING", address) == address


def test_bounds_change_on_reload(server):
    s = server(dev=False, config="[server]\n[dns]\n[registry]\nclients = 3\n")
    clients = [connect(s) for _ in range(3)]
    assert all(c.call("PING") == "PONG" for c in clients)
    with connect(s) as c:
        assert c.read().startswith("LIMIT too many clients")
    s.write("rollcalld.conf", "[registry]\nclients = 50\nline_max = 1k\n")
    s.signal(signal.SIGHUP)
    wait_until(lambda: is_well_as_client(s), 5, "the new limit counts")
    assert clients[0].call("PING", "x" * 2000).startswith("LIMIT the request is longer than 1024 bytes")
    for c in clients:
        c.close()


def is_well_as_client(s):
    with connect(s) as c:
        try:
            return c.call("PING") == "PONG"
        except (Closed, ConnectionError):
            return False


def test_connections_come_and_go_without_a_trace(server):
    s = server()
    before = descriptors(s.pid)  # nobody has connected yet
    for i in range(2000):
        c = connect(s)
        if i % 3 == 0:
            c.send("REGISTER", "web", "10.0.0.1", 80, "SESSION")
        elif i % 3 == 1:
            c.send("WATCH")
        c.close()
    wait_until(lambda: descriptors(s.pid) <= before, 10, "all descriptors are closed")  # fewer: the ready pipe is, too
    assert is_well(s)


# ── sessions ──

def test_a_session_ends_with_its_connection(server):
    s = server(options={"registry.session_grace": "1s"})
    with connect(s) as c:
        c.call("REGISTER", "web", "10.0.0.1", 80, "ID", "mine", "SESSION")
        s.call("REGISTER", "web", "10.0.0.2", 80, "ID", "other")
        assert sorted(s.ask("web.service.local")) == ["10.0.0.1", "10.0.0.2"]
    wait_until(lambda: s.ask("web.service.local") == ["10.0.0.2"], 4, "the grace is over")


def test_a_new_connection_takes_a_session_over(server):
    s = server(options={"registry.session_grace": "1s"})
    with connect(s) as c:
        c.call("REGISTER", "web", "10.0.0.1", 80, "ID", "mine", "SESSION")
    with connect(s) as c:
        assert c.call("RENEW", "web", "mine") == 30
        stays(lambda: s.ask("web.service.local") == ["10.0.0.1"], 2)


def test_the_server_ends_cleanly_with_clients(server):
    s = server()
    clients = [connect(s) for _ in range(50)]
    for c in clients[::2]:
        c.call("REGISTER", "web", "10.0.0.1", 80, "SESSION")
        c.call("WATCH")
    clients[1].send_raw(b"*3\r\n$5\r\nREN")
    s.stop()
    assert all(c.is_closed() for c in clients)
