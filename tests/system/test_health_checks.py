"""Health checks over the network and by reports: what leaves DNS, when, and what comes back (DESIGN 4)."""

import socket
import subprocess

import pytest

from targets import HttpTarget, check, instance, state
from waiting import stays, wait_until

WEB = "web.service.local"


@pytest.fixture
def target():
    with HttpTarget() as t:
        yield t


def register(s, port, *checks, id="a", address="127.0.0.1", more=()):
    words = [w for c in checks for w in ("CHECK", c)]
    return s.call("REGISTER", "web", address, port, "ID", id, "TTL", "0", *words, *more)


def wait_state(s, wanted, id="a", deadline=10.0):
    wait_until(lambda: state(s, "web", id) == wanted, deadline, f"{id} is {wanted}")


def test_first_success_serves_at_once(server, target):
    s = server()
    register(s, target.port, "http:///healthz interval=1h rise=5")
    wait_state(s, "passing")
    assert s.ask(WEB) == ["127.0.0.1"]
    assert target.paths == ["/healthz"]


def test_not_served_before_the_first_result(server, target):
    s = server()
    target.delay_s = 5
    register(s, target.port, "http:/// interval=1h timeout=5s")
    wait_until(lambda: target.running == 1, what="the probe is under way")
    assert state(s, "web", "a") == "starting"
    answer = s.query(WEB, use_edns=0)
    assert not answer.answer
    assert [o.code for o in answer.options if o.otype == 15] == [14]  # EDE Not Ready
    target.delay.set()
    wait_state(s, "passing")


def test_killed_target_leaves_dns_and_comes_back(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms rise=2 fall=3")
    wait_until(lambda: s.ask(WEB) == ["127.0.0.1"])
    target.stop()
    wait_until(lambda: s.ask(WEB) == [], what="it left DNS")
    assert check(s, "web", "a") == ("critical", "connection refused")
    target.start()
    wait_until(lambda: s.ask(WEB) == ["127.0.0.1"], what="it came back")


def test_fall_failures_and_rise_successes_in_a_row(server, target):
    s = server()
    register(s, target.port, "http:/// interval=150ms rise=4 fall=3")
    wait_state(s, "passing")
    target.counts.clear()
    target.status = 503
    wait_until(lambda: target.counts.get(503, 0) >= 2)
    if target.counts[503] == 2:  # between the second and the third
        assert state(s, "web", "a") == "passing" or target.counts[503] > 2
    wait_state(s, "critical")
    assert target.counts[503] >= 3
    assert check(s, "web", "a") == ("critical", "HTTP 503, expected 200")
    target.counts.clear()
    target.status = 200
    wait_state(s, "passing")
    assert target.counts[200] >= 4


def test_failures_between_successes_change_nothing(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms fall=20")
    wait_state(s, "passing")
    revision = instance(s, "web", "a")["revision"]
    for _ in range(3):
        target.counts.clear()
        target.status = 500
        wait_until(lambda: target.counts.get(500, 0) >= 1)
        target.status = 200
        wait_until(lambda: target.counts.get(200, 0) >= 1)
    assert instance(s, "web", "a")["revision"] == revision


def test_expect_names_the_good_status(server, target):
    s = server()
    target.status = 401
    register(s, target.port, "http:///private interval=1h expect=401")
    wait_state(s, "passing")
    assert check(s, "web", "a") == ("passing", "HTTP 401")


def test_timeout_is_critical(server, target):
    s = server()
    target.delay_s = 5
    register(s, target.port, "http:/// interval=10s timeout=200ms")
    wait_state(s, "critical")
    assert check(s, "web", "a") == ("critical", "timeout after 200ms")
    target.delay.set()


def test_connections_are_kept(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms")
    wait_until(lambda: target.counts.get(200, 0) >= 10)
    assert target.connections == 1


def test_probe_of_another_port_and_host(server, target):
    s = server()
    register(s, 9, f"http://127.0.0.1:{target.port}/ interval=1h", address="192.0.2.1")
    wait_state(s, "passing")
    assert s.ask(WEB) == ["192.0.2.1"]


def test_host_name_is_resolved(server, target):
    s = server()
    register(s, 9, f"http://localhost:{target.port}/ interval=1h", f"tcp://localhost:{target.port} interval=1h")
    wait_state(s, "passing")


def test_unknown_host_name_is_critical(server):
    s = server()
    register(s, 9, "http://nowhere.invalid/ interval=1h timeout=10s")
    wait_state(s, "critical", deadline=15)
    status, output = check(s, "web", "a")
    assert output in ("cannot resolve nowhere.invalid", "timeout after 10s")


def test_tcp(server):
    s = server()
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    port = listener.getsockname()[1]
    register(s, port, "tcp:// interval=100ms fall=1 rise=1")
    wait_state(s, "passing")
    assert check(s, "web", "a") == ("passing", "connected")
    listener.close()
    wait_state(s, "critical")
    assert check(s, "web", "a") == ("critical", "connection refused")
    with socket.create_server(("127.0.0.1", port), backlog=50):
        wait_state(s, "passing")


def test_the_worst_check_decides(server, target):
    s = server()
    with HttpTarget() as other:
        register(s, target.port, "http:/// interval=100ms fall=1 rise=1",
                 f"http://:{other.port}/ interval=100ms fall=1 rise=1")
        wait_state(s, "passing")
        other.status = 500
        wait_state(s, "critical")
        assert [c["status"] for c in instance(s, "web", "a")["checks"]] == ["passing", "critical"]
        other.status = 200
        wait_state(s, "passing")


def test_moved_instance_is_probed_at_once(server, target):
    s = server()
    with HttpTarget() as other:
        other.status = 500
        register(s, target.port, "http:/// interval=1h fall=1")
        wait_state(s, "passing")
        register(s, other.port, "http:/// interval=1h fall=1")
        wait_state(s, "critical")


def test_draining_is_still_checked(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms fall=1 rise=1")
    wait_state(s, "passing")
    s.call("DRAIN", "web", "a")
    target.status = 500
    wait_until(lambda: check(s, "web", "a")[0] == "critical")
    assert state(s, "web", "a") == "draining"
    s.call("DRAIN", "web", "a", "OFF")
    wait_state(s, "critical")


def test_deregistered_is_not_probed_again(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms")
    wait_state(s, "passing")
    s.call("DEREGISTER", "web", "a")
    target.paths.clear()
    stays(lambda: len(target.paths) <= 1, 0.5)  # one may have been under way


def test_remove_deregisters_what_stays_critical(server, target):
    s = server()
    register(s, target.port, "http:/// interval=100ms fall=1 remove=1s")
    wait_state(s, "passing")
    target.stop()
    wait_state(s, "critical")
    wait_until(lambda: state(s, "web", "a") is None, 5, "it was removed")
    assert s.dns.rcode(WEB) == "NXDOMAIN"
    s.wait_log("event=removed")


# ── ttl checks ──


def test_ttl_check_lives_on_reports(server):
    s = server()
    register(s, 80, "ttl 2s")
    assert state(s, "web", "a") == "starting"
    assert s.ask(WEB) == []
    s.call("REPORT", "web", "a", "PASSING", "all systems go")
    assert s.ask(WEB) == ["127.0.0.1"]
    assert check(s, "web", "a") == ("passing", "all systems go")
    wait_state(s, "critical", deadline=5)
    assert s.ask(WEB) == []
    s.call("REPORT", "web", "a", "WARNING", "disk 91% full")
    assert (state(s, "web", "a"), s.ask(WEB)) == ("warning", ["127.0.0.1"])
    s.call("REPORT", "web", "a", "CRITICAL", "disk full")
    assert s.ask(WEB) == []
    assert check(s, "web", "a") == ("critical", "disk full")


def test_ttl_check_with_remove(server):
    s = server()
    register(s, 80, "ttl 500ms remove=1s")
    s.call("REPORT", "web", "a", "PASSING")
    wait_until(lambda: state(s, "web", "a") is None, 6, "silence, then removed")


# ── https ──


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[1], "-out", files[0]],
                   check=True, capture_output=True)
    return tuple(map(str, files))


def test_https_verifies(server, certificate):
    s = server()
    with HttpTarget(certificate=certificate) as t:
        register(s, t.port, "https:/// interval=1h timeout=5s")
        wait_state(s, "critical")
        assert "certificate" in check(s, "web", "a")[1]
        register(s, t.port, "https:/// interval=1h timeout=5s insecure=yes")
        wait_state(s, "passing")


def test_https_with_a_ca_file(server, certificate):
    s = server(options={"health.ca_file": certificate[0]})
    with HttpTarget(certificate=certificate) as t:
        register(s, t.port, "https:/// interval=1h timeout=5s")
        wait_state(s, "passing")
        assert check(s, "web", "a") == ("passing", "HTTP 200")


# ── the service's own check ──


def test_check_of_the_service_section(server, target):
    s = server(config="[service web]\ncheck = http:///own interval=100ms fall=1\n")
    register(s, target.port)
    wait_state(s, "passing")
    assert set(target.paths) == {"/own"}
    register(s, target.port, "http:///mine interval=100ms", id="b")
    wait_state(s, "passing", id="b")
    assert instance(s, "web", "b")["checks"][0]["check"] == "http:///mine interval=100ms"


def test_reload_changes_the_check_of_the_service(server, target):
    s = server(config="[service web]\ncheck = http:///old interval=100ms\n")
    register(s, target.port)
    wait_state(s, "passing")
    s.write("rollcalld.conf", "[service web]\ncheck = http:///new interval=100ms\n")
    s.signal(1)
    wait_until(lambda: "/new" in target.paths, what="the new check is made")
    assert s.ask(WEB) == ["127.0.0.1"]  # a reload takes nobody out


# ── many ──


@pytest.mark.seconds(120)
def test_many_checks_and_max_probes(server, target):
    s = server(options={"health.max_probes": 8})
    target.delay_s = 0.02
    n = 200
    for i in range(n):
        register(s, target.port, f"http:///{i} interval=1h timeout=10s", id=f"i{i}")
    wait_until(lambda: len(s.call("LIST", "web")) == n)
    wait_until(lambda: all(e[e.index("state") + 1] == "passing" for e in s.call("LIST", "web")), 60)
    assert sorted(target.paths) == sorted(f"/{i}" for i in range(n))  # each exactly once
    assert 1 < target.peak <= 8
