"""The command line client, verb by verb: what it prints, as text and as JSON, and its exit status."""

import json
import os
import subprocess

import pytest

REFUSED, USAGE, UNREACHABLE = 1, 2, 3


def plain(*args, env=None):
    """The client without a server's address."""
    return subprocess.run([os.environ["ROLLCALL"], *args], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **(env or {})})


def test_register_is_seen_by_dns(server):
    s = server()
    done = s.cli("register", "web", "10.0.0.5", "8080", "--ttl", "20s", "--tag", "v2", "--meta", "zone=a=b", "--weight", "3",
                 "--named-port", "metrics=9100", "--check", "ttl 15s")
    assert done.stdout == "registered web 10-0-0-5-8080, lease 20s\n"
    s.cli("report", "web", "10-0-0-5-8080", "passing", "all is well")
    assert s.ask("v2.web.service.local", "A") == ["10.0.0.5"]
    assert s.ask("10-0-0-5-8080.web.service.local", "TXT") == ['"zone=a=b"']
    [instance] = json.loads(s.cli("ls", "web", "--json").stdout)
    assert instance["weight"] == 3 and instance["lease"] == 20 and instance["meta"] == {"zone": "a=b"}
    assert instance["ports"] == [{"name": "metrics", "number": 9100, "protocol": "tcp"}]
    assert instance["checks"][0]["output"] == "all is well" and instance["state"] == "passing"


def test_register_as_json(server):
    s = server()
    reply = json.loads(s.cli("--json", "register", "web", "2001:db8::1", "80", "--id", "a", "--ttl", "0").stdout)
    assert reply["service"] == "web" and reply["id"] == "a" and reply["lease"] == 0 and reply["revision"] > 0
    assert s.cli("register", "web", "10.0.0.1", "80", "--ttl", "0").stdout == "registered web 10-0-0-1-80, permanent\n"


def test_renew_deregister_and_what_is_not_there(server):
    s = server()
    s.cli("register", "web", "10.0.0.1", "80")
    assert s.cli("renew", "web", "10-0-0-1-80").stdout == "renewed, lease 30s\n"
    assert json.loads(s.cli("renew", "web", "10-0-0-1-80", "--json").stdout) == {"lease": 30}
    assert s.cli("deregister", "web", "10-0-0-1-80").stdout == "deregistered\n"
    assert s.cli("deregister", "web", "10-0-0-1-80").stdout == "was not registered\n"
    done = s.cli("renew", "web", "10-0-0-1-80", check=False)
    assert done.returncode == REFUSED and done.stderr.startswith("rollcall: NOLEASE ")


def test_hold_keeps_the_id_away(server):
    s = server()
    s.cli("register", "web", "10.0.0.1", "80")
    s.cli("deregister", "--hold", "1h", "web", "10-0-0-1-80")
    done = s.cli("register", "web", "10.0.0.1", "80", check=False)
    assert done.returncode == REFUSED and "held" in done.stderr


def test_drain_takes_out_of_dns_and_off_brings_back(server):
    s = server(options={"dns.ttl": 1})
    s.cli("register", "web", "10.0.0.1", "80")
    assert s.ask("web.service.local", "A") == ["10.0.0.1"]
    done = s.cli("drain", "--wait", "web", "10-0-0-1-80")
    assert done.stdout.splitlines() == ["draining, safe to stop in 1s", "safe to stop"]
    assert s.ask("web.service.local", "A") == []
    s.cli("drain", "--off", "web", "10-0-0-1-80")
    assert s.ask("web.service.local", "A") == ["10.0.0.1"]
    assert "safe_in" in json.loads(s.cli("drain", "web", "10-0-0-1-80", "--json").stdout)
    assert s.cli("drain", "--off", "--wait", "web", "a", check=False).returncode == USAGE


def test_pick_prints_an_address_and_nothing_else(server):
    s = server()
    s.cli("register", "web", "10.0.0.1", "80", "--tag", "v1", "--named-port", "m=9100")
    s.cli("register", "web", "2001:db8::1", "80", "--tag", "v2")
    assert {s.cli("pick", "web").stdout for _ in range(4)} == {"10.0.0.1:80\n", "[2001:db8::1]:80\n"}
    assert s.cli("pick", "web", "--tag", "v2").stdout == "[2001:db8::1]:80\n"
    assert s.cli("pick", "web", "--port", "m").stdout == "10.0.0.1:9100\n"
    assert json.loads(s.cli("pick", "web", "--tag", "v1", "--json").stdout) == {
        "address": "10.0.0.1", "port": 80, "id": "10-0-0-1-80"}
    done = s.cli("pick", "nobody", check=False)
    assert done.returncode == REFUSED and done.stdout == "" and "UNAVAILABLE" in done.stderr


def test_ls_is_aligned_and_names_what_is_not_well(server):
    s = server()
    assert s.cli("ls").stdout == "" and s.cli("ls").stderr == "no services\n"
    assert json.loads(s.cli("ls", "--json").stdout) == []
    s.cli("register", "api", "10.0.0.1", "80", "--ttl", "0")
    s.cli("register", "user_service", "10.0.0.2", "8080", "--check", "ttl 1h", "--ttl", "0")
    assert s.cli("ls").stdout == ("SERVICE       SERVED  REGISTERED  NOT WELL\n"
                                  "api           1       1\n"
                                  "user_service  0       1           1 starting\n")
    s.cli("report", "user_service", "10-0-0-2-8080", "critical", "no\x1b[31m disk")
    assert s.cli("ls", "USER-SERVICE").stdout == (
        "ID             ADDRESS        STATE     WEIGHT  LEASE      TAGS  PORTS\n"
        "10-0-0-2-8080  10.0.0.2:8080  critical  1       permanent\n"
        "\n"
        "10-0-0-2-8080  critical  ttl 1h  no?[31m disk\n")
    services = json.loads(s.cli("ls", "--json").stdout)
    assert [x["name"] for x in services] == ["api", "user_service"] and services[1]["critical"] == 1
    assert s.cli("ls", "nobody").stderr == "no instances of nobody\n"


def test_ls_of_thousands(server):
    s = server()
    client = s.redis()
    with client.pipeline(transaction=False) as pipe:
        for i in range(3000):
            pipe.execute_command("REGISTER", "many", f"10.1.{i // 250}.{i % 250 + 1}", 80, "META", "k", "v" * 200)
        pipe.execute()
    assert len(json.loads(s.cli("ls", "many", "--json").stdout)) == 3000
    assert len(s.cli("ls", "many").stdout.splitlines()) == 3001


def test_status(server):
    s = server()
    s.cli("register", "web", "10.0.0.1", "80")
    assert "Registry\n" in s.cli("status").stdout
    report = json.loads(s.cli("status", "--json").stdout)
    assert report["registry"]["instances"] == 1 and "dns_listen" in report["server"]
    assert list(json.loads(s.cli("status", "registry", "--json").stdout)) == ["registry"]
    assert s.cli("status", "nonsense", check=False).returncode == REFUSED


def test_usage_errors_say_what_would_be_right(server):
    s = server()
    for args, message in [
        (["lss"], 'unknown verb "lss"; did you mean "ls"?'),
        (["xyzzy"], 'unknown verb "xyzzy"; `rollcall help` lists what there is'),
        (["ls", "--jsn"], "unknown option --jsn; did you mean --json?"),
        (["renew", "web"], "usage: rollcall renew SERVICE ID"),
        (["renew", "web", "a", "b"], '"b" is too much'),
        (["register", "web", "10.0.0.1", "80", "--meta", "k"], '--meta "k" should be KEY=VALUE'),
        (["register", "web", "10.0.0.1", "80", "--session"], "--session needs --keep"),
        (["--timeout", "soon", "ls"], '--timeout "soon" should be a duration'),
        ([], "a verb is missing"),
    ]:
        done = s.cli(*args, check=False)
        assert done.returncode == USAGE and message in done.stderr, args
    done = s.cli("register", "web", "nowhere", "80", check=False)
    assert done.returncode == REFUSED and "BADARG" in done.stderr


def test_help_for_all_and_for_each(server):
    overview = plain("help")
    assert overview.returncode == 0 and "usage: rollcall" in overview.stdout
    verbs = [line.split()[0] for line in overview.stdout.splitlines() if line.startswith("  ") and line[2].isalpha()]
    assert len(verbs) == 10
    for verb in verbs:
        page = plain("help", verb)
        assert page.returncode == 0 and page.stdout.startswith(f"usage: rollcall {verb}")
        assert plain(verb, "--help").stdout == page.stdout
    assert plain("help", "lss").returncode == USAGE
    assert plain("--version").stdout.startswith("rollcall ")


@pytest.mark.parametrize("address,text", [
    ("127.0.0.1:1", "cannot reach rollcalld at 127.0.0.1:1: Connection refused"),
    ("unix:/nonexistent", "cannot reach rollcalld at unix:/nonexistent: No such file or directory"),
    ("/nonexistent", "cannot reach rollcalld at /nonexistent: No such file or directory"),
])
def test_nobody_there(address, text):
    done = plain("-s", address, "ls")
    assert done.returncode == UNREACHABLE and text in done.stderr


@pytest.mark.parametrize("address", ["unix:", "[::1", "[::1]x", ":80", "127.0.0.1:http", "127.0.0.1:"])
def test_addresses_that_are_none(address):
    assert plain("-s", address, "ls").returncode in (USAGE, UNREACHABLE)


def test_the_server_by_environment_and_socket(server):
    s = server()
    for address in (f"{s.registry_host}:{s.registry_port}", f"unix:{s.unix_path}", str(s.unix_path)):
        assert plain("ls", "--json", env={"ROLLCALL_SERVER": address}).stdout == "[]\n"


def test_passwords(server, tmp_path):
    for name, text in (("password", "open sesame\n"), ("wrong", "x\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    right, wrong = str(tmp_path / "password"), str(tmp_path / "wrong")
    s = server(options={"registry.password_file": right})
    done = s.cli("ls", check=False)
    assert done.returncode == REFUSED and "NOAUTH" in done.stderr and "--password-file" in done.stderr
    assert s.cli("--password-file", right, "ls", "--json").stdout == "[]\n"
    assert s.cli("ls", "--json", env={"ROLLCALL_PASSWORD_FILE": right}).stdout == "[]\n"
    assert s.cli("--password-file", wrong, "ls", check=False).returncode == REFUSED
    assert s.cli("--password-file", "/nonexistent", "ls", check=False).returncode == USAGE


def test_a_server_of_another_protocol(server):
    s = server()
    done = plain("-s", s.ready["dns"][0], "--timeout", "2s", "ls")
    assert done.returncode == UNREACHABLE and done.stderr.startswith("rollcall: rollcalld at ")
