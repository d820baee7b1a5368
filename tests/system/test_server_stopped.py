"""A worker thread, or the whole server, that stands still: memory stays bounded, what is acknowledged is true, and then all goes
on where it was."""

import re
import signal
import socket
import struct
import threading
import time

import pytest

from dns_client import split_address
from memory import MEASURED, resident_kb, room_kb
from resp_client import RespClient, encode
from stopped_thread import StoppedThread, threads
from waiting import stays, wait_until

SOCKETS = 16        # the kernel chooses the worker by the ports, so some go to each
INSTANCES = 300     # of the service that changes: a change of one replaces an answer that names them all
RETIRED_KB = 65536  # PUBLISH_RETIRED_MAX: twice that may wait, and what a turn replaces on top
OTHER_KB = 65536    # what the allocator keeps


class Askers:
    """Sockets that reach every worker."""

    def __init__(self, s):
        self.sockets = []
        for _ in range(SOCKETS):
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.connect(split_address(s.ready["dns"][0]))
            self.sockets.append(u)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for u in self.sockets:
            u.close()

    def send(self, service, number=0):
        name = b"".join(bytes([len(label)]) + label.encode() for label in (service, "service", "local")) + b"\0"
        for u in self.sockets:
            u.send(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1))

    def receive(self, u, number, deadline):
        """The number of records in the answer to that question, or None; answers to earlier ones are passed over."""
        end = time.monotonic() + deadline
        while (left := end - time.monotonic()) > 0:
            u.settimeout(left)
            try:
                answer = u.recv(4096)
            except TimeoutError:
                break
            if answer[:2] == struct.pack("!H", number):
                return struct.unpack("!H", answer[6:8])[0]
        return None

    def ask(self, service, number, deadline):
        """What each socket gets: a number of records, or None without an answer."""
        self.send(service, number)
        return [self.receive(u, number, deadline) for u in self.sockets]


def connect(s):
    return RespClient((s.registry_host, s.registry_port), timeout=50)


def dns_info(client):
    return {key: int(value) for key, value in re.findall(r"(\w+):(\d+)\r?\n", client.call("INFO", "dns"))}


def changing(i):
    """The i-th change: an instance gets another port, so that every answer of the service is built anew."""
    k = i % INSTANCES
    return "REGISTER", "web", f"10.0.{k // 100}.{k % 100 + 1}", 1024 + i % 50000, "ID", f"n{k}"


class Writer(threading.Thread):
    """Changes on a connection of its own, each when the one before is acknowledged."""

    def __init__(self, s):
        super().__init__()
        self.client = connect(s)
        self.is_over = False
        self.replies = 0
        self.errors = []

    def run(self):
        while not self.is_over and not self.errors:
            reply = self.client.call(*changing(self.replies))
            if not isinstance(reply, list):
                self.errors.append(reply)
            self.replies += 1
        self.client.close()

    def end(self):
        self.is_over = True
        self.join()
        assert self.errors == []


def stop_between_polls(thread, client, askers):
    """Lets the worker run from system call to system call until it stands between a poll and the next one: then what a
    change replaces is not freed."""
    for i in range(200):
        askers.send("web")
        thread.to_next_call(1)
        client.call(*changing(INSTANCES + i))
        if dns_info(client)["retired_bytes"] > 0:
            return
    pytest.fail("the worker was never found between two polls")


@pytest.mark.seconds(120)
def test_a_worker_that_stands_still(server):
    s = server(options={"server.workers": 2, "server.log_level": "warn"}, config="[service web]\nanswer = all\n",
               env=MEASURED)
    why_not = StoppedThread.why_not(s.pid)
    if why_not:
        pytest.skip(why_not)
    with connect(s) as client, connect(s) as late, connect(s) as flood, Askers(s) as askers:
        for i in range(INSTANCES):
            assert isinstance(client.call(*changing(i)), list)
        assert None not in askers.ask("web", 1, 5)
        writer = Writer(s)
        with StoppedThread(threads(s.pid, "worker")[0]) as thread:
            stop_between_polls(thread, client, askers)
            before = resident_kb(s.pid)
            writer.start()
            wait_until(lambda: dns_info(client)["behind_ms"] > 0, 60, "the answers are behind")
            s.wait_log("event=answers_behind")
            replies = writer.replies
            late.send("REGISTER", "late", "10.9.9.9", 80)
            flood.socket.setblocking(False)
            with pytest.raises(BlockingIOError):  # it is not read for ever
                for i in range(1000000):
                    flood.send_raw(encode(*changing(i)))
            room = room_kb(s.pid, 2 * RETIRED_KB + OTHER_KB)
            stays(lambda: dns_info(client)["retired_bytes"] < 2048 * RETIRED_KB and resident_kb(s.pid) - before < room, 3,
                  "memory is bounded")
            assert writer.replies == replies  # nothing is acknowledged
            answers = askers.ask("late", 2, 0.2)
            assert 0 in answers and None in answers and 1 not in answers  # the other worker answers, from before
            s.signal(signal.SIGHUP)
            assert "stands still" in s.wait_log("event=reload_failed")[0]
        assert isinstance(late.read(), list)
        assert askers.ask("late", 3, 5) == [1] * SOCKETS
        wait_until(lambda: writer.replies > replies + 100, 20, "changes go on")
        writer.end()
        info = dns_info(client)
        assert info["behind_ms"] == 0 and info["retired_bytes"] < 1024 * RETIRED_KB


def test_workers_that_sleep_hold_nothing(server):
    s = server(options={"server.workers": 2, "server.log_level": "warn"})
    with connect(s) as client:
        for i in range(5000):
            client.send(*changing(i))
        for i in range(5000):
            assert isinstance(client.read(), list)
        assert dns_info(client)["retired_bytes"] == 0


LEASES = 100


def test_a_server_that_is_stopped_under_load(server):
    """SIGSTOP for longer than the leases, while changes, renewals and questions come without pause."""
    s = server(options={"server.workers": 2}, env=MEASURED)
    is_over = threading.Event()

    def renew():
        with connect(s) as client:
            while not is_over.wait(0.2):
                for i in range(LEASES):
                    client.send("RENEW", "leased", f"n{i}")
                for i in range(LEASES):
                    client.read()

    def ask():
        with Askers(s) as askers:
            while not is_over.wait(0.001):
                askers.send("web")
    with connect(s) as client, Askers(s) as askers:
        for i in range(LEASES):
            assert isinstance(client.call("REGISTER", "leased", f"10.1.0.{i + 1}", 80, "ID", f"n{i}", "TTL", "2s"), list)
        writer, others = Writer(s), [threading.Thread(target=renew), threading.Thread(target=ask)]
        for thread in (writer, *others):
            thread.start()
        wait_until(lambda: writer.replies > INSTANCES, 20, "changes are made")
        before, replies = resident_kb(s.pid), writer.replies
        s.signal(signal.SIGSTOP)
        time.sleep(3.2)  # longer than the leases: this is the event, not a wait for one
        s.signal(signal.SIGCONT)
        wait_until(lambda: writer.replies > replies + INSTANCES, 20, "changes go on")
        assert None not in askers.ask("web", 1, 5)
        assert resident_kb(s.pid) - before < room_kb(s.pid, OTHER_KB)
        is_over.set()
        for thread in others:
            thread.join()
        writer.end()
        assert dns_info(client)["behind_ms"] == 0
    assert "event=expired" not in s.log() and "event=answers_behind" not in s.log()
