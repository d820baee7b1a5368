"""Checks by scripts: only those of the local configuration, and nothing of them left behind (DESIGN 4)."""

import os
import signal

from targets import check, instance, state
from waiting import wait_until


def script_server(server, scripts, more=""):
    """A server with [script NAME] sections; `scripts`: {name: shell text}. The files are NAME.sh in its folder."""
    config = more + "".join(f"[script {name}]\ncommand = {{folder}}/{name}.sh\n" for name in scripts)
    s = server(config=config, files={f"{name}.sh": "" for name in scripts}, options={"server.log_level": "debug"})
    for name, text in scripts.items():
        write_script(s, name, text)
    return s


def write_script(s, name, text):
    """Replaced as a whole, so that a probe never runs half of it."""
    path = s.write(f"{name}.new", f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    os.rename(path, s.path(f"{name}.sh"))


def register(s, *checks, id="a", more=()):
    words = [w for c in checks for w in ("CHECK", c)]
    return s.call("REGISTER", "web", "127.0.0.1", 8080, "ID", id, "TTL", "0", *words, *more)


def wait_state(s, wanted, deadline=10.0):
    wait_until(lambda: state(s, "web", "a") == wanted, deadline, f"it is {wanted}")


def read(s, name):
    try:
        with open(s.path(name), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_exit_status_decides(server):
    s = script_server(server, {"probe": "exit 2"})
    write_script(s, "probe", "echo everything is fine")
    register(s, "script:probe interval=100ms rise=1 fall=1")
    wait_state(s, "passing")
    assert check(s, "web", "a") == ("passing", "exit 0: everything is fine")
    write_script(s, "probe", "echo a bit slow; exit 1")
    wait_state(s, "warning")
    assert s.ask("web.service.local") == ["127.0.0.1"]  # warning is served
    write_script(s, "probe", "echo broken; echo more; exit 2")
    wait_state(s, "critical")
    assert check(s, "web", "a") == ("critical", "exit 2: broken")
    assert s.ask("web.service.local") == []


def test_instance_is_in_the_environment(server):
    s = script_server(server, {"probe": ""})
    write_script(s, "probe", f"env > {s.path('env.new')}; mv {s.path('env.new')} {s.path('env')}; exit 0")
    register(s, "script:probe interval=1h", more=("TAG", "blue", "TAG", "v2", "META", "zone", "eu 1; rm", "PORT", "http-alt", 8081))
    wait_state(s, "passing")
    env = dict(line.split("=", 1) for line in read(s, "env").splitlines())
    assert {k: v for k, v in env.items() if k.startswith("ROLLCALL_")} == {
        "ROLLCALL_SERVICE": "web", "ROLLCALL_ID": "a", "ROLLCALL_ADDRESS": "127.0.0.1", "ROLLCALL_ADDRESS_V4": "127.0.0.1",
        "ROLLCALL_PORT": "8080", "ROLLCALL_PORT_HTTP_ALT": "8081", "ROLLCALL_TAGS": "blue,v2",
        "ROLLCALL_META_ZONE": "eu 1; rm"}
    assert set(env) - {k for k in env if k.startswith("ROLLCALL_")} <= {"PATH", "LANG", "PWD", "_", "SHLVL", "OLDPWD"}


def test_only_configured_names_run(server):
    s = script_server(server, {"probe": "exit 0"})
    register(s, "script:other interval=1h")
    wait_state(s, "critical")
    assert check(s, "web", "a") == ("critical", "there is no [script other] in the configuration")


def test_reload_brings_a_script(server):
    s = script_server(server, {"probe": "exit 0"})
    register(s, "script:later interval=200ms rise=1")
    wait_state(s, "critical")
    write_script(s, "later", "exit 0")
    s.write("rollcalld.conf", f"[script later]\ncommand = {s.path('later.sh')}\n")
    s.signal(signal.SIGHUP)
    wait_state(s, "passing")


def test_timeout_kills_all_of_it(server):
    s = script_server(server, {"probe": ""})
    write_script(s, "probe", f"sleep 600 & echo $! $$ > {s.path('pids')}; wait")
    register(s, "script:probe interval=1h timeout=300ms")
    wait_state(s, "critical")
    assert check(s, "web", "a") == ("critical", "timeout after 300ms")
    pids = read(s, "pids").split()
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_alive, pids)), what="script and its child are gone")


def test_no_zombies(server):
    s = script_server(server, {"probe": "exit 0", "slow": "sleep 600"})
    register(s, "script:probe interval=100ms", "script:slow interval=100ms timeout=100ms")
    wait_until(lambda: instance(s, "web", "a")["checks"][1]["status"] == "critical")
    s.call("DEREGISTER", "web", "a")
    wait_until(lambda: children(s.pid) == [], what="no child is left, dead or alive")


def running_script(server):
    s = script_server(server, {"probe": ""})
    write_script(s, "probe", f"echo $$ > {s.path('pid.new')}; mv {s.path('pid.new')} {s.path('pid')}; exec sleep 600")
    register(s, "script:probe interval=1h timeout=10m")
    # the section's timeout is 10 s: enough for what follows
    pid = wait_until(lambda: read(s, "pid").strip(), what="the script runs")
    assert is_alive(pid)
    return s, pid


def test_end_of_the_server_ends_scripts(server):
    s, pid = running_script(server)
    s.stop()
    assert not is_alive(pid)


def test_crash_of_the_server_ends_scripts(server):
    s, pid = running_script(server)
    s.kill()
    wait_until(lambda: not is_alive(pid), what="the kernel killed it with its server")


def test_deregistering_while_it_runs(server):
    s, pid = running_script(server)
    s.call("DEREGISTER", "web", "a")
    os.kill(int(pid), signal.SIGTERM)
    wait_until(lambda: children(s.pid) == [])
    assert s.call("PING") == "PONG" or s.call("PING") is True
