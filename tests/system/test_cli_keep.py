"""What the client keeps up: register --keep and watch, through restarts of the server and lost leases."""

import json
import signal
import socket
import subprocess
import threading

import pytest
from cli_process import CliProcess
from waiting import stays, wait_until


def address_of(s):
    return f"{s.registry_host}:{s.registry_port}"


def test_keep_renews_and_deregisters_at_the_end(server):
    s = server()
    with CliProcess(s, "register", "--keep", "web", "10.0.0.1", "80", "--ttl", "1s") as cli:
        assert cli.wait_line("registered") == "registered web 10-0-0-1-80, lease 1s"
        stays(lambda: s.ask("web.service.local", "A") == ["10.0.0.1"], 2.5, "registered past its lease")
        assert cli.end(signal.SIGINT) == 0
        assert s.ask("web.service.local", "A") == []
        assert cli.lines() == ["registered web 10-0-0-1-80, lease 1s"]


def test_keep_registers_again_when_its_lease_is_gone(server):
    s = server()
    with CliProcess(s, "register", "--keep", "--json", "web", "10.0.0.1", "80", "--ttl", "1s") as cli:
        cli.wait_line("registered")
        s.call("DEREGISTER", "web", "10-0-0-1-80")
        again = json.loads(cli.wait_line("registered", count=2))
        assert again["event"] == "registered" and again["id"] == "10-0-0-1-80"
        assert cli.terminate() == 0


def test_keep_outlives_the_server(server):
    s = server(registry="127.0.0.1:0")
    port = s.registry_port
    with CliProcess(s, "register", "--keep", "web", "10.0.0.1", "80", "--ttl", "1s") as cli:
        cli.wait_line("registered")
        s.stop()
        cli.wait_error("trying again")
        at = s.command.index(next(x for x in s.command if x.startswith("registry.listen=")))
        s.command[at] = f"registry.listen=127.0.0.1:{port},unix:{s.unix_path}"
        s.restart()
        cli.wait_line("registered again: web 10-0-0-1-80, lease 1s")
        assert s.ask("web.service.local", "A") == ["10.0.0.1"]
        assert cli.terminate() == 0


def test_keep_waits_for_a_server_that_is_not_there_yet(server):
    s = server()
    with CliProcess(s, "register", "--keep", "web", "10.0.0.1", "80", registry="127.0.0.1:1") as cli:
        cli.wait_error("trying again")
        assert cli.terminate() == 0
        assert cli.stderr().count("trying again") == 1


def test_keep_ends_at_once_though_the_server_hangs(server):
    s = server()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with CliProcess(s, "register", "--keep", "--timeout", "1m", "web", "10.0.0.1", "80",
                        registry=f"127.0.0.1:{silent.getsockname()[1]}") as cli:
            silent.accept()[0].recv(1)
            assert cli.end(signal.SIGTERM, deadline=3) == 0


def test_keep_gives_up_when_it_is_refused(server):
    s = server()
    with CliProcess(s, "register", "--keep", "web", "nowhere", "80") as cli:
        assert cli.end() == 1
        assert "BADARG" in cli.stderr()


def test_keep_waits_for_the_end_of_a_hold(server):
    s = server()
    with CliProcess(s, "register", "--keep", "--ttl", "1s", "web", "10.0.0.1", "80") as cli:
        cli.wait_line("registered")
        s.cli("deregister", "--hold", "1s", "web", "10-0-0-1-80")
        cli.wait_line("registered again")
        assert "UNAVAILABLE" in cli.stderr()
        assert cli.end(signal.SIGTERM) == 0


def test_a_session_ends_with_its_client(server):
    s = server(options={"registry.session_grace": "100ms"})
    with CliProcess(s, "register", "--keep", "--session", "web", "10.0.0.1", "80", "--ttl", "1h") as cli:
        cli.wait_line("registered")
        cli.end(signal.SIGKILL)
        wait_until(lambda: s.ask("web.service.local", "A") == [], what="the lease is cut")


def test_watch_shows_what_is_there_and_what_changes(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "CHECK", "ttl 1h", "TTL", 0)
    with CliProcess(s, "watch") as text, CliProcess(s, "watch", "WEB", "--json") as lines:
        assert "web 10-0-0-1-80  10.0.0.1:80  starting" in text.wait_line("present")
        lines.wait_line("present")
        s.call("REPORT", "web", "10-0-0-1-80", "PASSING")
        assert "starting -> passing" in text.wait_line("state")
        s.call("REGISTER", "api", "2001:db8::1", 80)
        assert "[2001:db8::1]:80  passing" in text.wait_line("registered")
        s.call("REGISTER", "both", "10.0.0.1,2001:db8::1", 80)
        assert " 10.0.0.1:80,[2001:db8::1]:80  passing" in text.wait_line("registered", count=2)
        s.call("DEREGISTER", "web", "10-0-0-1-80")
        assert text.wait_line("deregistered").endswith("passing -> gone")
        last = json.loads(lines.wait_line("deregistered"))
        assert last["service"] == "web" and last["old"] == "passing" and last["port"] == 80
        events = [json.loads(line) for line in lines.lines()]
        assert [e["kind"] for e in events] == ["present", "state", "deregistered"]
        assert [e["revision"] for e in events] == sorted(e["revision"] for e in events)


def test_watch_from_a_revision(server):
    s = server()
    revision = s.call("REGISTER", "web", "10.0.0.1", 80)[2]
    s.call("REGISTER", "web", "10.0.0.2", 80)
    with CliProcess(s, "watch", "--json", "--from", revision) as cli:
        assert json.loads(cli.wait_line("registered"))["id"] == "10-0-0-2-80"
        assert len(cli.lines()) == 1


def test_watch_goes_on_where_it_was_after_a_lost_connection(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", 0)
    relay = Relay((s.registry_host, s.registry_port))
    with relay, CliProcess(s, "watch", "--json", registry=relay.address) as cli:
        cli.wait_line("present")
        s.call("REGISTER", "web", "10.0.0.2", 80, "TTL", 0)
        cli.wait_line("registered")
        relay.cut()
        cli.wait_error("connecting again")
        s.call("REGISTER", "web", "10.0.0.3", 80, "TTL", 0)
        cli.wait_line("registered", count=2)
        assert [json.loads(line)["id"][:8] for line in cli.lines()] == ["10-0-0-1", "10-0-0-2", "10-0-0-3"]


class Relay:
    """A connection to the server that can be cut. Listens all the time."""

    def __init__(self, server):
        self.server, self.pairs = server, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def accept(self):
        while True:
            try:
                ours = self.listener.accept()[0]
            except OSError:
                return
            theirs = socket.create_connection(self.server)
            self.pairs += [ours, theirs]
            for a, b in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def cut(self):
        for s in self.pairs:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        self.pairs.clear()


@pytest.mark.parametrize("verb", [["ls"], ["watch"]])
def test_output_that_cannot_be_written_is_an_error(server, verb):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80)
    with open("/dev/full", "w") as full:
        done = subprocess.run([s.client, "-s", address_of(s), *verb], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1 and "cannot write" in done.stderr
