"""rollcalld as a program: its arguments, its start, its end, and being stopped for a while."""

import os
import signal
import socket
import subprocess
import time

import pytest

from waiting import wait_until


def rollcalld(*args, **kw):
    return subprocess.run([os.environ["ROLLCALLD"], *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20, **kw)


# ── arguments ──

def test_version_and_help():
    done = rollcalld("--version")
    assert done.returncode == 0 and done.stdout.startswith("rollcalld ")
    done = rollcalld("--help")
    assert done.returncode == 0
    for option in ("-c, --config FILE", "-t, --test", "--dev", "--dns ADDRESS:PORT", "-o, --option SECTION.KEY=VALUE",
                   "--ready-fd N"):
        assert option in done.stdout


@pytest.mark.parametrize("args, text", [
    (["--frobnicate"], "--frobnicate: no such option"),
    (["-c"], "-c: needs a value"),
    (["surplus"], 'unexpected "surplus"'),
    (["-o", "dns.ttl"], 'must be SECTION.KEY=VALUE'),
    (["-o", "ttl=3"], 'must be SECTION.KEY=VALUE'),
    (["--ready-fd", "x"], "--ready-fd \"x\": must be the number"),
])
def test_wrong_usage_is_2(args, text):
    done = rollcalld(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("rollcalld: ") and text in done.stderr


# ── -t ──

def test_t_accepts_a_good_configuration(tmp_path):
    zone = tmp_path / "z"
    zone.write_text("$TTL 60\nwww A 192.0.2.1\n")
    conf = tmp_path / "rollcalld.conf"
    conf.write_text(f"[dns]\nzone_file = {zone}\nttl = 10s\n")
    done = rollcalld("-c", conf, "-t")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"rollcalld: {conf} is good\n"


def test_t_names_the_line_at_fault(tmp_path):
    conf = tmp_path / "rollcalld.conf"
    conf.write_text("[dns]\nttl = 10s\ntll_min = 1s\n")
    done = rollcalld("-c", conf, "-t")
    assert done.returncode == 1
    assert f"{conf}:3: " in done.stderr and "ttl_min" in done.stderr


def test_t_reads_zone_files(tmp_path):
    zone = tmp_path / "z"
    zone.write_text("$TTL 60\nwww A 192.0.2.1\nwww CNAME elsewhere\n")
    done = rollcalld("--dev", "-o", f"dns.zone_file={zone}", "-t")
    assert done.returncode == 1
    assert f"{zone}:3: " in done.stderr


def test_t_checks_the_password_file(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    done = rollcalld("--dev", "-o", f"registry.password_file={password}", "-t")
    assert done.returncode == 1 and "is open to others" in done.stderr
    password.chmod(0o600)
    assert rollcalld("--dev", "-o", f"registry.password_file={password}", "-t").returncode == 0
    password.write_text("\nsecret\n")
    done = rollcalld("--dev", "-o", f"registry.password_file={password}", "-t")
    assert done.returncode == 1 and "its first line must be the password" in done.stderr
    assert "secret" not in done.stderr


def test_t_looks_up_the_users_of_scripts():
    script = ["-o", "script disk.command=/bin/true", "-o", "script disk.user=no-such-user"]
    done = rollcalld("--dev", *script, "-t")
    assert done.returncode == 1 and "no-such-user" in done.stderr and "disk" in done.stderr


def test_t_looks_up_the_user_of_the_server():
    done = rollcalld("--dev", "-o", "server.user=no-such-user", "-t")
    assert done.returncode == 1 and 'there is no user "no-such-user"' in done.stderr


def test_a_missing_file_is_said():
    done = rollcalld("-c", "/nonexistent/rollcalld.conf", "-t")
    assert done.returncode == 1 and "/nonexistent/rollcalld.conf" in done.stderr


def test_http_is_accepted_with_a_warning():
    done = rollcalld("--dev", "--http", "127.0.0.1:0", "-t")
    assert done.returncode == 0 and "warning" in done.stderr and "http" in done.stderr


def test_a_beyond_loopback_protocol_needs_a_password():
    done = rollcalld("--dev", "--registry", "0.0.0.0:0", "-t")
    assert done.returncode == 1 and "password_file" in done.stderr


# ── life ──

def test_ready_line_has_the_real_addresses(server):
    s = server(dns="127.0.0.1:0,[::1]:0")
    line, = s.wait_log("event=ready")
    assert f"dns={','.join(s.ready['dns'])}" in line and f"registry={','.join(s.ready['registry'])}" in line
    assert s.ready["pid"] == s.pid and f"pid={s.pid}" in line
    assert all(not a.endswith(":0") for a in s.ready["dns"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(server, number):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80)
    with s.dns.tcp() as tcp:
        tcp.query("web.service.local")
        s.signal(number)
        assert s.process.wait(10) == 0
    assert "event=stopping" in s.log() and "event=stopped" in s.log()


def test_the_service_manager_is_told(server, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        s = server(env={"NOTIFY_SOCKET": path})
        assert manager.recv(256) == b"READY=1"
        s.signal(signal.SIGHUP)
        reloading = manager.recv(256).split(b"\n")
        assert reloading[0] == b"RELOADING=1" and reloading[1].startswith(b"MONOTONIC_USEC=")
        assert manager.recv(256) == b"READY=1"
        s.signal(signal.SIGTERM)
        assert manager.recv(256) == b"STOPPING=1"


def test_registrations_and_states_are_log_lines(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "one", "TTL", "1s", "CHECK", "ttl 10s")
    s.wait_log("event=registered service=web id=one address=10.0.0.1 port=80 state=starting")
    s.call("REPORT", "web", "one", "CRITICAL", "disk full")
    line, = s.wait_log("event=state service=web id=one old=starting new=critical")
    assert "disk full" in line
    s.call("REPORT", "web", "one", "PASSING", "all good")
    s.call("DRAIN", "web", "one")
    line, = s.wait_log("event=state service=web id=one old=passing new=draining")
    assert line.endswith("why=DRAIN")  # not what a check said
    s.call("DRAIN", "web", "one", "OFF")
    line, = s.wait_log("event=state service=web id=one old=draining new=passing")
    assert line.endswith('why="DRAIN OFF"')
    s.wait_log("event=expired service=web id=one state=passing")
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "one", "TTL", "1s", "CHECK", "ttl 10s")
    s.call("DEREGISTER", "web", "one")
    s.wait_log("event=deregistered service=web id=one")


def test_being_stopped_expires_nobody(server):
    """SIGSTOP for longer than the lease: the clock of leases moves a second at most per turn."""
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "2s")
    s.signal(signal.SIGSTOP)
    time.sleep(3.2)  # longer than the lease: this is the event, not a wait for one
    s.signal(signal.SIGCONT)
    assert s.ask("web.service.local") == ["10.0.0.1"]
    s.call("RENEW", "web", "10-0-0-1-80")
    assert s.ask("web.service.local") == ["10.0.0.1"]
    wait_until(lambda: s.ask("web.service.local") == [], 6, "without renewals the lease still ends")


def test_a_lease_ends_on_time_while_nothing_else_happens(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "one", "TTL", "3s")
    begin = time.monotonic()
    s.wait_log("event=expired service=web id=one", deadline=6)
    assert 2.9 < time.monotonic() - begin < 3.5


def test_idle_costs_next_to_nothing(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")

    def cpu():
        with open(f"/proc/{s.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(2)  # the event is that nothing happens
    assert cpu() - before < 0.1
