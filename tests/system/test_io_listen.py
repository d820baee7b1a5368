"""Listening sockets: families, many addresses, ports shared by the workers and nobody else, Unix sockets, privileges."""

import os
import pwd
import socket
import stat
import subprocess
import tempfile

import pytest

from dns_client import DnsClient, split_address


def ask_all(address, name, times=16):
    """Asks over UDP from many ports, so that every worker has its share, and over TCP."""
    client = DnsClient(address)
    for _ in range(times):
        assert client.ask(name) == ["10.0.0.1"]
        assert client.ask(name, tcp=True) == ["10.0.0.1"]


def run_rollcalld(*args):
    return subprocess.run([os.environ["ROLLCALLD"], *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20)


def test_both_families_both_transports_two_workers(server):
    s = server(dns="127.0.0.1:0,[::1]:0", options={"server.workers": 2})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    for address in s.ready["dns"]:
        ask_all(address, "web.service.local")


def threads(pid):
    """The processors that each thread may run on, by thread."""
    return {int(task): os.sched_getaffinity(int(task)) for task in os.listdir(f"/proc/{pid}/task")}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="pinning needs two processors")
def test_workers_are_pinned_and_others_are_not(server):
    usable = sorted(os.sched_getaffinity(0))
    for chosen in (usable[-1:], usable[1::-1]):
        s = server(options={"server.workers": 0, "server.cpu_affinity": ",".join(map(str, chosen))})
        places = list(threads(s.pid).values())
        assert sorted(min(p) for p in places if len(p) == 1) == sorted(chosen)
        assert os.sched_getaffinity(s.pid) == set(usable)
        info = s.call("INFO", "server")
        assert (info["workers"], str(info["worker_cpus"])) == (len(chosen), ",".join(map(str, chosen)))
        s.call("REGISTER", "web", "10.0.0.1", 80)
        ask_all(s.ready["dns"][0], "web.service.local")


def test_more_workers_than_processors_share_them(server):
    cpu = min(os.sched_getaffinity(0))
    s = server(options={"server.workers": 3, "server.cpu_affinity": cpu})
    assert s.call("INFO", "server")["worker_cpus"] == f"{cpu},{cpu},{cpu}"
    assert sum(places == {cpu} for places in threads(s.pid).values()) >= 3


def test_without_the_option_nobody_is_pinned(server):
    s = server(options={"server.workers": 2})
    assert all(places == os.sched_getaffinity(0) for places in threads(s.pid).values())
    assert s.call("INFO", "server")["worker_cpus"] == ""


def test_a_processor_that_is_not_there(server):
    missing = max(os.sched_getaffinity(0)) + 1
    for args in (["-t"], []):
        result = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "-o", f"server.cpu_affinity={missing}", *args)
        assert result.returncode != 0
        assert f"there is no processor {missing}" in result.stderr + result.stdout


def test_thirty_addresses(server):
    addresses = [f"127.0.0.{i}:0" for i in range(1, 31)]
    s = server(dns=",".join(addresses), options={"server.workers": 2})
    assert [split_address(a)[0] for a in s.ready["dns"]] == [split_address(a)[0] for a in addresses]
    s.call("REGISTER", "web", "10.0.0.1", 80)
    for address in s.ready["dns"]:
        ask_all(address, "web.service.local", times=2)


@pytest.mark.parametrize("wildcard, asked, family", [("0.0.0.0", "127.0.0.77", socket.AF_INET),
                                                     ("[::]", "::1", socket.AF_INET6)])
def test_a_wildcard_answers_from_the_address_that_was_asked(server, wildcard, asked, family):
    s = server(dns=f"{wildcard}:0")
    s.call("REGISTER", "web", "10.0.0.1", 80)
    port = split_address(s.ready["dns"][0])[1]
    client = DnsClient(f"[{asked}]:{port}" if family == socket.AF_INET6 else f"{asked}:{port}")
    assert client.ask("web.service.local") == ["10.0.0.1"]  # over a connected socket: another source would not arrive


def test_the_name_server_is_at_each_address_once(server):
    s = server(dns="127.0.0.1:0,127.0.0.2:0,127.0.0.1:0")
    assert sorted(s.dns.dig("ns.service.local", "A", "+short").split()) == ["127.0.0.1", "127.0.0.2"]


def test_a_wildcard_is_no_address_of_a_name_server(server):
    s = server(dns="0.0.0.0:0")
    assert "ns.service.local." in s.wait_log("ns_without_address")[0]
    s = server(dns="0.0.0.0:0", files={"zone": "ns A 127.0.0.1\n"}, options={"dns.zone_file": "{folder}/zone"})
    assert "ns_without_address" not in s.log()


def test_v6_wildcard_leaves_v4_alone(server):
    s = server(dns="[::]:0")
    port = split_address(s.ready["dns"][0])[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


@pytest.mark.parametrize("option", ["dns.listen", "registry.listen"])
def test_a_second_server_on_the_port_is_refused(server, option):
    s = server(options={"server.workers": 2})
    taken = s.ready["dns" if option == "dns.listen" else "registry"][0]
    other = {"dns.listen": "127.0.0.1:0", "registry.listen": "127.0.0.1:0", option: taken}
    done = run_rollcalld("--dev", *[f"-o{key}={value}" for key, value in other.items()])
    assert done.returncode == 1
    assert f"cannot listen on {taken}/" in done.stderr and "Address already in use" in done.stderr
    s.call("REGISTER", "web", "10.0.0.1", 80)
    assert s.ask("web.service.local") == ["10.0.0.1"]


def test_an_address_of_another_machine(server):
    done = run_rollcalld("--dev", "--dns", "192.0.2.1:0", "--registry", "127.0.0.1:0")
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:0/udp" in done.stderr and "no such address" in done.stderr


def test_a_dead_unix_socket_is_replaced_and_a_living_one_is_not(server):
    s = server()
    assert s.redis_unix().ping()
    done = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "--registry", f"unix:{s.unix_path}")
    assert done.returncode == 1 and f"cannot listen on unix:{s.unix_path}: Address already in use" in done.stderr
    assert s.redis_unix().ping()
    s.kill()
    assert os.path.exists(s.unix_path)
    s.process = None
    s.expected_status = 0
    s.start()
    assert s.redis_unix().ping()
    s.stop()
    assert not os.path.exists(s.unix_path)


def test_the_missing_folder_of_a_unix_socket_is_made_and_removed(server, tmp_path):
    folder = tmp_path / "run"
    old = os.umask(0o077)
    try:
        s = server(registry=f"127.0.0.1:0,unix:{folder}/a.sock,unix:{folder}/b.sock")
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert sorted(os.listdir(folder)) == ["a.sock", "b.sock"]
    s.stop()
    assert not folder.exists()


def test_a_folder_that_was_there_stays(server, tmp_path):
    server(registry=f"127.0.0.1:0,unix:{tmp_path}/a.sock").stop()
    assert os.listdir(tmp_path) == []


def test_only_one_folder_is_made(tmp_path):
    done = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "--registry", f"unix:{tmp_path}/a/b/c.sock")
    assert done.returncode == 1 and "its folder does not exist, and could not be made" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_start_that_fails_leaves_no_folder(server, tmp_path):
    taken = server().ready["registry"][0]
    done = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "--registry", f"unix:{tmp_path}/a/b.sock,{taken}")
    assert done.returncode == 1 and os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_folder_belongs_to_whom_the_server_becomes(server):
    with tempfile.TemporaryDirectory(prefix="rollcall-run-") as above:
        os.chmod(above, 0o755)  # as /run: everybody may look, root may write
        s = server(registry=f"127.0.0.1:0,unix:{above}/run/a.sock", options={"server.user": "nobody"})
        assert os.stat(f"{above}/run").st_uid == pwd.getpwnam("nobody").pw_uid
        s.stop()
        assert os.listdir(f"{above}/run") == []  # the folder stays: nobody may not change what is above it


def test_a_file_is_never_replaced_by_a_unix_socket(server, tmp_path):
    path = tmp_path / "precious"
    path.write_text("mine")
    done = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "--registry", f"unix:{path}")
    assert done.returncode == 1
    assert path.read_text() == "mine"


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_is_dropped_for_good(server):
    s = server(options={"server.user": "nobody"})
    status = status_of(s.pid)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split() and "0" not in status["Groups"].split()
    assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0
    s.call("REGISTER", "web", "10.0.0.1", 80)
    assert s.ask("web.service.local") == ["10.0.0.1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_privileges_the_hint_says_what_is_missing(server):
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                           os.environ["ROLLCALLD"], "--dev", "--dns", "127.0.0.1:53", "--registry", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=20, cwd="/")
    if done.returncode == 126:
        pytest.skip("the build folder is closed to others")
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1:53/udp: Permission denied; ports below 1024 need" in done.stderr
    assert "CAP_NET_BIND_SERVICE" in done.stderr


def test_an_unknown_user(server):
    done = run_rollcalld("--dev", "--dns", "127.0.0.1:0", "--registry", "127.0.0.1:0", "-o", "server.user=no-such-user")
    assert done.returncode == 1
    assert 'there is no user \\"no-such-user\\"' in done.stderr or 'there is no user "no-such-user"' in done.stderr
