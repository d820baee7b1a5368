"""WATCH over sockets: snapshot, stream, resumption, slow readers, many watchers."""

from memory import MEASURED, resident_kb
from resp_client import Push, RespClient
from waiting import wait_until

FIELDS = ["type", "revision", "kind", "service", "id", "old", "new", "address", "port", "time_us"]


def frame(value):
    return dict(zip(FIELDS, value))


def connect(s, **kw):
    return RespClient((s.registry_host, s.registry_port), **kw)


def until_live(client):
    """Frames up to "live", and its revision."""
    frames = []
    while (value := client.read())[0] != "live":
        frames.append(frame(value))
    return frames, value[1]


def apply(state, f):
    """What a reader does with a frame."""
    key = (f["service"], f["id"])
    if f["new"] == "none":
        state.pop(key, None)
    else:
        state[key] = f["new"]


def revision_of(s):
    return s.redis().info("registry")["revision"]


def test_a_stream_from_the_beginning(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "a")
    with connect(s) as c:
        assert c.call("WATCH") == "OK"
        frames, live = until_live(c)
        assert [(f["type"], f["kind"], f["id"], f["old"], f["new"]) for f in frames] == [("snapshot", "present", "a", "none", "passing")]
        revision = s.call("REGISTER", "web", "10.0.0.2", 81, "ID", "b", "CHECK", "ttl 1h")[2]
        f = frame(c.read())
        assert (f["type"], f["kind"], f["new"], f["address"], f["port"]) == ("change", "registered", "starting", "10.0.0.2", 81)
        assert f["revision"] == revision > live
        s.call("REPORT", "web", "b", "CRITICAL")
        assert frame(c.read())["new"] == "critical"
        s.call("REGISTER", "web", "10.0.0.3", 81, "ID", "b", "CHECK", "ttl 1h")
        f = frame(c.read())
        assert (f["kind"], f["old"], f["new"], f["address"]) == ("replaced", "critical", "critical", "10.0.0.3")
        s.call("DEREGISTER", "web", "b")
        f = frame(c.read())
        assert (f["kind"], f["new"]) == ("deregistered", "none")


def test_requests_on_a_watching_connection(server):
    """A sidecar renews and watches on one connection; in RESP3 frames are told from replies."""
    s = server()
    with connect(s) as c:
        assert c.call("HELLO", 3)["proto"] == 3
        assert c.call("REGISTER", "web", "10.0.0.1", 80, "ID", "a")[0] == "a"
        assert c.call("WATCH", "web") == "OK"
        snapshot, live = c.read(), c.read()
        assert isinstance(snapshot, Push) and snapshot[4] == "a"
        assert live == ["live", revision_of(s)]
        assert c.call("RENEW", "web", "a") == 30
        s.call("DRAIN", "web", "a")
        assert c.read()[6] == "draining"
        assert c.call("PING") == "PONG"


def test_resuming_misses_nothing_and_repeats_nothing(server):
    s = server()
    seen, revision = [], revision_of(s)
    for round in range(5):
        for i in range(20):
            s.call("REGISTER", "web", "10.0.0.1", 1000 + 20 * round + i)
        with connect(s) as c:
            assert c.call("WATCH", "FROM", revision) == "OK"
            frames, live = until_live(c)
            assert all(f["type"] == "change" for f in frames)
            seen += frames
            s.call("REGISTER", "web", "10.0.0.2", 1000 + round)
            f = frame(c.read())
            seen.append(f)
            revision = f["revision"]
    assert len(seen) == 105
    assert [f["revision"] for f in seen] == sorted({f["revision"] for f in seen})
    assert len({f["id"] for f in seen}) == 105


def test_resuming_beyond_the_history_and_after_a_restart_gives_a_snapshot(server):
    s = server(options={"registry.history": 16})
    start = revision_of(s)
    for i in range(40):
        s.call("REGISTER", "web", "10.0.0.1", 1000 + i)
    with connect(s) as c:
        c.call("WATCH", "FROM", start)
        frames, live = until_live(c)
        assert len(frames) == 40 and all(f["type"] == "snapshot" for f in frames)
        assert live == revision_of(s)
    s.restart()
    s.call("REGISTER", "web", "10.0.0.9", 80, "ID", "new")
    with connect(s) as c:
        c.call("WATCH", "FROM", live)
        frames, _ = until_live(c)
        assert [(f["type"], f["id"]) for f in frames] == [("snapshot", "new")]


def test_a_large_snapshot_while_the_registry_changes(server):
    """5,000 instances, larger than a connection's output; what the reader ends with is what is there."""
    s = server(options={"registry.output_max": "64k", "registry.history": 100000})
    p = s.redis().pipeline(transaction=False)
    for i in range(5000):
        p.execute_command("REGISTER", f"svc{i % 50}", "10.0.0.1", 1000 + i, "ID", f"i{i}", "TTL", "1h")
    p.execute()
    state = {}
    with connect(s, receive_buffer=4096) as c:
        c.send("WATCH")
        p = s.redis().pipeline(transaction=False)
        for i in range(0, 5000, 7):
            p.execute_command("DEREGISTER", f"svc{i % 50}", f"i{i}")
        p.execute_command("REGISTER", "late", "10.0.0.1", 80, "ID", "x")
        p.execute()
        assert c.read() == "OK"
        frames, live = until_live(c)
        for f in frames:
            apply(state, f)
        while live < revision_of(s):
            f = frame(c.read())
            live = f["revision"]
            apply(state, f)
    expected = {(f"svc{i % 50}", f"i{i}"): "passing" for i in range(5000) if i % 7} | {("late", "x"): "passing"}
    assert state == expected


def churn(s, n, port=1000):
    p = s.redis().pipeline(transaction=False)
    for i in range(n):
        p.execute_command("REGISTER", "web", "10.0.0.1", port + i % 2, "ID", "a")
    p.execute()


def test_a_watcher_that_does_not_read_is_dropped(server):
    s = server(options={"registry.history": 1000}, env=MEASURED)
    slow, good = connect(s, receive_buffer=4096), connect(s)
    with slow, good:
        for c in (slow, good):
            assert c.call("WATCH") == "OK"
            until_live(c)
        before = resident_kb(s.pid)
        dropped = False
        for _ in range(200):
            churn(s, 500)
            for _ in range(500):
                good.read()
            if dropped := "watcher_dropped" in s.log():
                break
        assert dropped
        clients = s.redis().info("clients")
        assert clients["slow_watchers_total"] == 1 and clients["watching_clients"] == 1
        assert resident_kb(s.pid) - before < 20000
        churn(s, 2)
        assert frame(good.read())["id"] == "a"


def test_a_hundred_watchers_see_the_same(server):
    s = server()
    watchers = [connect(s) for _ in range(100)]
    for c in watchers:
        c.call("WATCH", "web")
        until_live(c)
    churn(s, 50)
    streams = []
    for c in watchers:
        streams.append([c.read() for _ in range(50)])
        c.close()
    assert all(stream == streams[0] for stream in streams)
    wait_until(lambda: s.redis().info("clients")["watching_clients"] == 0, 5, "they are gone")


def test_a_change_is_in_dns_before_it_is_told(server):
    s = server()
    with connect(s) as c:
        c.call("WATCH")
        until_live(c)
        for i in range(200):
            with connect(s) as writer:
                writer.send("REGISTER", f"s{i}", "10.0.0.1", 80)
                assert frame(c.read())["service"] == f"s{i}"
                assert s.ask(f"s{i}.service.local") == ["10.0.0.1"]


def test_a_watch_ends_with_its_client(server):
    s = server()
    c = connect(s)
    c.call("WATCH")
    wait_until(lambda: s.redis().info("clients")["watching_clients"] == 1)
    c.close()
    wait_until(lambda: s.redis().info("clients")["watching_clients"] == 0)
    with connect(s) as c:
        c.call("WATCH")
        until_live(c)
        assert c.call("RESET") == "RESET"
        s.call("REGISTER", "web", "10.0.0.1", 80)
        assert c.call("PING") == "PONG"
