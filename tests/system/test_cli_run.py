"""rollcall run: a program that knows nothing of rollcall answers the roll call."""

import os
import signal
import socket
import sys
import time

import pytest
from cli_process import CliProcess
from waiting import wait_until

SERVE = """
import signal, socket, sys, time
delay, on_term = float(sys.argv[2]), sys.argv[3]
if on_term == "exit-5":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
if on_term == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in (signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda n, _: print("got", signal.Signals(n).name, flush=True))
time.sleep(delay)
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    s.accept()[0].close()
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(s, *options, program=None, port=None, delay=0, on_term="default", registry=None):
    """The client around a little server, or around another program."""
    port = port or free_port()
    program = program or [sys.executable, "-c", SERVE, str(port), str(delay), on_term]
    return CliProcess(s, "run", "--service", "web", "--port", port, *options, "--", *program, registry=registry)


@pytest.mark.parametrize("program,status", [
    (["true"], 0),
    (["false"], 1),
    (["sh", "-c", "exit 42"], 42),
    (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
    (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
    (["/nonexistent/program"], 127),
    (["/etc/passwd"], 126),
])
def test_the_exit_status_is_the_programs(server, program, status):
    s = server()
    with run(s, program=program) as cli:
        assert cli.end() == status
    assert s.call("LIST") == []


def test_it_is_registered_when_its_port_is_open(server):
    s = server()
    with run(s, "--ttl", "5s", "--tag", "v1", delay=0.5) as cli:
        cli.wait_error("registered web 127-0-0-1-")
        assert cli.lines() == ["listening"]  # the output is the program's own
        assert s.ask("v1.web.service.local", "A") == ["127.0.0.1"]
        assert cli.terminate() == 128 + signal.SIGTERM


def test_its_lease_is_renewed(server):
    s = server()
    with run(s, "--ttl", "1s") as cli:
        cli.wait_error("registered")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert s.ask("web.service.local", "A") == ["127.0.0.1"]
            time.sleep(0.05)


def test_its_own_end_deregisters_it_at_once(server):
    s = server()
    port = free_port()
    program = ["sh", "-c", f"{sys.executable} -c \"import socket; socket.create_server(('127.0.0.1', {port})).accept()\"; exit 3"]
    with run(s, "--ttl", "1h", program=program, port=port) as cli:
        assert cli.end() in (0, 3)  # the first connection, which looks for the port, ends it
    assert s.ask("web.service.local", "A") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_drained_before_it_is_stopped(server, number):
    s = server(options={"dns.ttl": 2})
    with run(s, "--ttl", "1h", on_term="exit-5") as cli:
        cli.wait_error("registered")
        assert s.ask("web.service.local", "A") == ["127.0.0.1"]
        began = time.monotonic()
        cli.signal(number)
        wait_until(lambda: s.ask("web.service.local", "A") == [], what="drained")
        assert cli.process.poll() is None and dict_of(s)["state"] == "draining"
        status = cli.end()
        assert time.monotonic() - began >= 1.9  # the TTL that was given out
        assert status == (5 if number == signal.SIGTERM else 128 + signal.SIGINT) or status == 1
    assert s.call("LIST", "web") == []


def dict_of(s):
    flat = s.call("LIST", "web")[0]
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))


def test_drain_wait_is_a_bound(server):
    s = server(options={"dns.ttl": 60})
    with run(s, "--ttl", "1h", "--drain-wait", "0") as cli:
        cli.wait_error("registered")
        assert cli.terminate() == 128 + signal.SIGTERM


def test_a_second_signal_is_impatient(server):
    s = server(options={"dns.ttl": 60})
    with run(s, "--ttl", "1h") as cli:
        cli.wait_error("registered")
        cli.signal(signal.SIGTERM)
        wait_until(lambda: dict_of(s)["state"] == "draining")
        time.sleep(0.6)  # nearer together they are one request
        assert cli.terminate() == 128 + signal.SIGTERM


def test_a_signal_sent_twice_at_once_is_one(server):
    s = server(options={"dns.ttl": 2})
    with run(s, "--ttl", "1h") as cli:
        cli.wait_error("registered")
        cli.signal(signal.SIGTERM)
        wait_until(lambda: dict_of(s)["state"] == "draining")
        cli.signal(signal.SIGTERM)
        began = time.monotonic()
        assert cli.end() == 128 + signal.SIGTERM
        assert time.monotonic() - began > 1


def test_other_signals_are_passed_on(server):
    s = server()
    with run(s) as cli:
        cli.wait_error("registered")
        cli.signal(signal.SIGHUP)
        cli.wait_line("got SIGHUP")
        cli.signal(signal.SIGUSR1)
        cli.wait_line("got SIGUSR1")
        assert cli.process.poll() is None


def test_a_port_that_never_opens(server):
    s = server()
    with run(s, "--wait-port", "200ms", program=["sleep", "60"]) as cli:
        assert cli.end() == 1
        assert "nothing accepts connections on 127.0.0.1 port" in cli.stderr()


def test_wait_port_0_registers_at_once(server):
    s = server()
    with run(s, "--wait-port", "0", program=["sleep", "60"]) as cli:
        cli.wait_error("registered")
        assert cli.terminate() == 128 + signal.SIGTERM


def test_a_signal_before_the_port_is_open(server):
    s = server()
    with run(s, program=["sleep", "60"]) as cli:
        wait_until(lambda: children(cli.process.pid), what="the program is started")
        assert cli.terminate() == 128 + signal.SIGTERM


def test_a_refused_registration_ends_the_program(server):
    s = server()
    with run(s, "--weight", "many", "--wait-port", "0", program=["sleep", "60"]) as cli:
        assert cli.end() == 1
        assert "BADARG" in cli.stderr()


def test_without_a_server_the_program_runs_all_the_same(server):
    s = server()
    with run(s, registry="127.0.0.1:1", program=["sh", "-c", "sleep 1; exit 9"], port=free_port()) as cli:
        assert cli.end() == 9
    with run(s, "--wait-port", "0", registry="127.0.0.1:1", program=["sh", "-c", "sleep 1; exit 9"]) as cli:
        cli.wait_error("trying again")
        assert cli.end() == 9


def test_a_server_that_hangs_does_not_hold_a_signal_up(server):
    s = server()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"127.0.0.1:{silent.getsockname()[1]}"
        with run(s, "--wait-port", "0", "--timeout", "1m", "--address", "127.0.0.1", registry=registry,
                 program=["sleep", "60"]) as cli:
            silent.accept()[0].recv(1)  # the registration, which nobody answers
            assert cli.end(signal.SIGTERM, deadline=3) == 128 + signal.SIGTERM


def test_the_program_gets_a_clean_signal_mask(server):
    s = server()
    with run(s, program=["sh", "-c", "grep ^SigBlk /proc/self/status"]) as cli:
        assert cli.end() == 0
        assert cli.lines() == ["SigBlk:\t0000000000000000"]


def test_killing_the_client_ends_the_program_and_the_lease(server):
    s = server()
    with run(s, "--ttl", "1s") as cli:
        cli.wait_error("registered")
        [child] = children(cli.process.pid)
        cli.end(signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), what="the program is gone")
        wait_until(lambda: s.call("LIST", "web") == [], what="the lease is over")


def test_the_command_stands_behind_the_dashes(server):
    s = server()
    done = s.cli("run", "--service", "web", "--port", "80", "true", check=False)
    assert done.returncode == 2 and "the command stands behind --, as -- true" in done.stderr
    assert s.cli("run", "--service", "web", "--", "true", check=False).returncode == 2
    assert s.cli("run", "--service", "web", "--port", "80", "--", check=False).returncode == 2


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(x) for x in f.read().split()]
