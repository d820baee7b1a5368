"""Many datagrams at once: all are answered, TCP is not forgotten meanwhile, and afterwards the worker sleeps again."""

import os
import signal
import socket
import struct

import dns.message

from dns_client import split_address
from waiting import stays, wait_until

SOCKETS, EACH = 5, 80  # together they fit a receive buffer of 208 KiB, Linux' default limit


def cpu_ticks(pid):
    """Of all threads, in ticks of 10 ms."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def burst(s, sockets, query):
    """Queues the questions while the server stands still, so that it finds all of them at once; one more by TCP."""
    os.kill(s.pid, signal.SIGSTOP)
    for i, client in enumerate(sockets):
        for k in range(EACH):
            client.send(struct.pack("!H", i * EACH + k) + query[2:])
    tcp = socket.create_connection(sockets[0].getpeername(), 5)
    tcp.sendall(struct.pack("!H", len(query)) + query)
    os.kill(s.pid, signal.SIGCONT)
    return tcp


def hear(client, ids, query):
    """All answers of one client. What a busy machine lost on the way is asked again, as resolvers do."""
    missing, patience = set(ids), 5
    while missing:
        try:
            missing.discard(struct.unpack("!H", client.recv(4096)[:2])[0])
        except TimeoutError:
            patience -= 1
            assert patience > 0, f"{len(missing)} questions are not answered"
            for i in missing:
                client.send(struct.pack("!H", i) + query[2:])


def test_a_burst_is_answered_and_over(server):
    s = server(options={"server.workers": 1, "server.log_level": "warn"})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    assert s.ask("web.service.local") == ["10.0.0.1"]  # from now on its answer is built: only few may wait for that
    query = dns.message.make_query("web.service.local", "A", id=7).to_wire()
    sockets = []
    for _ in range(SOCKETS):
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].settimeout(1)
        sockets[-1].connect(split_address(s.ready["dns"][0]))
    for _ in range(20):
        tcp = burst(s, sockets, query)
        for i, client in enumerate(sockets):
            hear(client, range(i * EACH, (i + 1) * EACH), query)
        assert dns.message.from_wire(tcp.recv(4096)[2:]).answer
        tcp.close()
    for client in sockets:
        client.close()

    def sleeps():
        before = cpu_ticks(s.pid)
        try:
            stays(lambda: cpu_ticks(s.pid) <= before + 1, 0.3)
        except AssertionError:
            return False
        return True

    wait_until(sleeps, what="the worker sleeps")
    assert s.ask("web.service.local") == ["10.0.0.1"]
