"""The protocol spoken by the clients that people have: redis-cli, redis-benchmark, nc, Python's redis."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest
import redis

from waiting import wait_until


def pairs(flat):
    """RESP2's flat map as a dict."""
    return dict(zip(flat[::2], flat[1::2]))


# ── redis-cli ──

def test_redis_cli_registers_lists_and_is_told_what_is_wrong(server):
    s = server()
    assert s.redis_cli("REGISTER", "web", "10.0.0.5", 8080, "TAG", "v1").splitlines()[:2] == ["10-0-0-5-8080", "30"]
    assert s.redis_cli("RENEW", "web", "10-0-0-5-8080") == "30\n"
    assert s.redis_cli("PICK", "web", "TAG", "v1") == "10.0.0.5\n8080\n10-0-0-5-8080\n"
    assert "10.0.0.5" in s.redis_cli("LIST", "web")
    assert "did you mean RENEW?" in s.redis_cli("RENEWE", "web", "x", check=False)
    assert s.redis_cli("DEREGISTER", "web", "10-0-0-5-8080") == "1\n"
    assert s.redis_cli("INFO", "clients").startswith("# Clients")


def test_redis_cli_in_resp3_and_from_a_script(server):
    s = server()
    assert s.redis_cli("-3", "--no-raw", "HELLO", "3").startswith("1# ")
    out = s.redis_cli(stdin='REGISTER web 10.0.0.5 80 ID a META note "two words"\nPING\nRENEW web a\nRENEW web b\n')
    lines = out.split("\n")
    assert lines[0] == "a" and "PONG" in lines and "30" in lines
    assert any(line.startswith("NOLEASE ") for line in lines)
    assert "two words" in s.redis_cli("LIST", "web")


def test_redis_cli_pipes_a_file(server):
    """--pipe sends everything at once, then an ECHO to know the end of the replies."""
    s = server()
    out = s.redis_cli("--pipe", stdin="".join(f"REGISTER web 10.0.0.5 {p}\r\nRENEW web 10-0-0-5-{p}\r\n" for p in range(1, 2001)))
    assert "errors: 0, replies: 4000" in out
    assert s.redis().info("registry")["instances"] == 2000


def test_echo_gives_any_bytes_back(server):
    """redis-cli --pipe ends with an ECHO of twenty random bytes; one run in thirteen has a NUL among them."""
    s = server()
    assert s.redis(decode_responses=False).execute_command("ECHO", bytes(range(256))) == bytes(range(256))


def test_redis_cli_subscribes(server):
    s = server()
    cli = subprocess.Popen(["redis-cli", "-h", s.registry_host, "-p", str(s.registry_port), "SUBSCRIBE", "web"],
                           stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        assert [cli.stdout.readline().strip() for _ in range(3)] == ["subscribe", "web", "1"]
        s.call("REGISTER", "web", "10.0.0.5", 80, "ID", "a")
        assert [cli.stdout.readline().strip() for _ in range(2)] == ["message", "web"]
        assert json.loads(cli.stdout.readline())["id"] == "a"
    finally:
        cli.kill()
        cli.wait()


class Terminal:
    """A program at a terminal of 120 columns."""

    def __init__(self, command):
        try:
            self.fd, inner = pty.openpty()
        except OSError as error:  # a chroot without devpts
            pytest.skip(f"no terminal to be had: {error}")
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env={**os.environ, "TERM": "dumb"})
        os.close(inner)

    def type(self, text, until):
        """Types a line; returns what the program prints up to `until`."""
        os.write(self.fd, text.encode() + b"\n")
        seen, end = "", time.monotonic() + 10
        while until not in seen:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(self.fd, 65536).decode()
        return seen

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


def test_redis_cli_knows_our_verbs(server):
    """An interactive redis-cli asks COMMAND DOCS first; its help then has our verbs."""
    s = server()
    terminal = Terminal(["redis-cli", "-h", s.registry_host, "-p", str(s.registry_port)])
    try:
        terminal.type("help DRAIN", "takes an instance out of the answers")
        terminal.type("PING", "PONG")
        terminal.type("REGISTER web 10.0.0.5 80 ID a", "(integer) 30")
    finally:
        terminal.close()


def test_redis_benchmark_renews(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.5", 80, "ID", "a", "TTL", "60s")
    done = subprocess.run(["redis-benchmark", "-h", s.registry_host, "-p", str(s.registry_port), "-n", "100000", "-P", "64",
                           "-c", "20", "RENEW", "web", "a"], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"throughput summary: ([0-9.]+) requests per second", done.stdout)[1]) > 1000
    assert "Error" not in done.stdout + done.stderr and "WARNING" not in done.stderr
    info = s.redis().info("registry")
    assert info["renews_total"] >= 100000


# ── nc ──

def nc(text, *args):
    return subprocess.run(["nc", "-N", *args], input=text.encode(), capture_output=True, timeout=20).stdout.decode()


def test_nc_gets_every_reply_before_the_end(server):
    """nc -N closes its side at once: what was asked is answered before the server closes too."""
    s = server()
    out = nc("REGISTER web 10.0.0.5 80 ID a\n" + "RENEW web a\n" * 3000 + "LIST\nPING\n", s.registry_host,
             str(s.registry_port))
    assert out.startswith("*3\r\n$1\r\na\r\n:30\r\n")
    assert out.count(":30\r\n") == 3001
    assert out.endswith("+PONG\r\n") and "$3\r\nweb\r\n" in out


def test_nc_over_the_unix_socket(server):
    s = server()
    out = nc("PING over unix\nPING\n", "-U", s.unix_path)
    assert out.startswith("-BADARG PING does not take 2 arguments") and out.endswith("+PONG\r\n")


def test_nc_watches(server):
    s = server()
    client = subprocess.Popen(["nc", s.registry_host, str(s.registry_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        client.stdin.write(b"WATCH web\n")
        client.stdin.flush()
        seen = b""
        while b"live" not in seen:
            seen += client.stdout.read1()
        s.call("REGISTER", "web", "10.0.0.5", 80, "ID", "a")
        while b"registered" not in seen:
            seen += client.stdout.read1()
    finally:
        client.kill()
        client.wait()


# ── python3-redis ──

def test_python_registers_and_finds_out_that_it_is_gone(server):
    s = server()
    r = s.redis(client_name="worker-1")
    me, lease, revision = r.execute_command("REGISTER", "web", "10.0.0.5", 8080, "ID", "a", "TTL", "2s")
    assert (me, lease) == ("a", 2) and revision > 0
    assert r.execute_command("RENEW", "web", me) == 2
    assert r.execute_command("DEREGISTER", "web", me) == 1
    with pytest.raises(redis.ResponseError, match="^NOLEASE "):
        r.execute_command("RENEW", "web", me)
    assert r.client_getname() == "worker-1"
    assert r.ping() is True
    assert r.info()["connected_clients"] >= 1
    assert s.redis_unix().ping() is True


def test_python_pipeline_keeps_the_order(server):
    s = server()
    p = s.redis().pipeline(transaction=False)
    for i in range(500):
        p.execute_command("REGISTER", "web", "10.0.0.5", 1000 + i, "ID", f"i{i}")
        p.execute_command("RENEW", "web", f"i{i}")
        p.execute_command("PICK", "web")
        p.execute_command("RENEW", "web", f"x{i}")
    replies = p.execute(raise_on_error=False)
    assert len(replies) == 2000
    for i in range(500):
        registered, renewed, picked, refused = replies[4 * i:4 * i + 4]
        assert registered[0] == f"i{i}" and renewed == 30 and picked[0] == "10.0.0.5"
        assert isinstance(refused, redis.ResponseError) and f"x{i}" in str(refused)


def test_python_pubsub_loop(server):
    s = server()
    p = s.redis(health_check_interval=1).pubsub()
    p.subscribe("web", "*")
    p.psubscribe("we*")
    for kind in ("subscribe", "subscribe", "psubscribe"):
        assert next(p.listen())["type"] == kind
    s.call("REGISTER", "Web", "10.0.0.5", 80, "ID", "a", "TTL", "1s")
    got = [next(p.listen()) for _ in range(3)]
    assert [(m["type"], m["channel"]) for m in got] == [("message", "web"), ("message", "*"), ("pmessage", "Web")]
    change = json.loads(got[0]["data"])
    assert change["kind"] == "registered" and change["old"] == "none" and change["new"] == "passing"
    assert change["address"] == "10.0.0.5" and change["port"] == 80 and change["id"] == "a"
    assert abs(change["time_us"] / 1e6 - time.time()) < 60
    p.unsubscribe("*")
    p.punsubscribe()
    m = wait_until(lambda: next((x for x in iter(lambda: p.get_message(timeout=0.1), None)
                                 if x["type"] == "message" and x["channel"] == "web"), None), 5, "the lease ends")
    assert json.loads(m["data"])["kind"] == "expired"
    p.close()


def test_python_pubsub_handlers_in_a_thread(server):
    s = server()
    seen = []
    p = s.redis().pubsub(ignore_subscribe_messages=True)
    p.subscribe(**{"*": lambda m: seen.append(json.loads(m["data"])["id"])})
    thread = p.run_in_thread(sleep_time=0.01)
    try:
        wait_until(lambda: s.redis().info("clients")["watching_clients"] == 1, 5, "the subscription")
        for i in range(100):
            s.call("REGISTER", "web", "10.0.0.5", 1000 + i, "ID", f"i{i}")
        wait_until(lambda: len(seen) == 100, 5, "all changes seen")
        assert seen == [f"i{i}" for i in range(100)]
    finally:
        thread.stop()
        thread.join()


def test_python_with_a_password(server, tmp_path):
    path = tmp_path / "password"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    s = server(options={"registry.password_file": str(path)})
    assert s.redis(password="open sesame").ping() is True
    assert s.redis(username="default", password="open sesame").ping() is True
    with pytest.raises(redis.AuthenticationError):
        s.redis().ping()
    with pytest.raises(redis.RedisError):
        s.redis(password="wrong").ping()
    assert "auth_failed" in s.wait_log("auth_failed")[0]


def test_list_for_people_and_programs(server):
    s = server()
    r = s.redis()
    r.execute_command("REGISTER", "web", "10.0.0.5,2001:db8::1", 80, "ID", "a", "META", "k", "v", "TAG", "t", "PORT", "m", "9/udp")
    r.execute_command("REGISTER", "db", "10.0.0.6", 5432, "TTL", "0")
    services = [pairs(x) for x in r.execute_command("LIST")]
    assert [x["name"] for x in services] == ["web", "db"]
    assert services[0]["served"] == services[0]["passing"] == services[0]["registered"] == 1
    (web,) = [pairs(x) for x in r.execute_command("LIST", "WEB")]
    assert web["address"] == "10.0.0.5,2001:db8::1" and web["tags"] == ["t"] and web["meta"] == ["k", "v"]
    assert web["ports"] == [["m", 9, "udp"]] and 28 <= web["left"] <= 30
    (db,) = [pairs(x) for x in r.execute_command("LIST", "db")]
    assert db["lease"] == 0 and db["left"] is None


def test_help_lists_what_the_manual_has(server):
    """Every verb of HELP stands in rollcall-protocol(7)."""
    s = server()
    manual = open(os.path.join(os.path.dirname(__file__), "..", "..", "man", "rollcall-protocol.7"), encoding="utf-8").read()
    verbs = [line.split()[0] for line in s.redis().execute_command("HELP")]
    assert "RENEW" in verbs and len(verbs) > 15
    for verb in [*verbs, *(v.upper() for v in s.redis().command())]:
        assert re.search(rf"^\.(It )?(Ic|Xo).*\b{verb}\b|^\.Ic {verb}\b", manual, re.M), f"{verb} is not in the manual"
