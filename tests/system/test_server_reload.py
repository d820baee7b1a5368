"""SIGHUP: what changes, what needs a restart, and that a broken file changes nothing."""

import os
import signal
import tempfile

import dns.rcode
import pytest
import redis

from waiting import wait_until

ZONE = "$TTL 60\nwww A 192.0.2.1\n"


class Site:
    """A server with a configuration and a zone file that a test rewrites."""

    def __init__(self, server, zone=ZONE, **options):
        self.make = server
        self.options = {"dns": {"zone_file": "zone"}, **options}
        self.s = None
        self.server(zone)

    def text(self):
        return "".join(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items())
                       for section, keys in self.options.items())

    def server(self, zone):
        self.folder = tempfile.TemporaryDirectory(prefix="rollcall-test-")
        self.zone_path = f"{self.folder.name}/zone"
        self.options["dns"]["zone_file"] = self.zone_path
        self.write_zone(zone)
        self.s = self.make(config=self.text())

    def write_zone(self, text):
        with open(self.zone_path, "w", encoding="utf-8") as f:
            f.write(text)

    def set(self, section, **keys):
        self.options.setdefault(section, {}).update(keys)

    def reload(self, event="event=reloaded"):
        count = sum(event in line for line in self.s.log().splitlines())
        self.s.write("rollcalld.conf", self.text())
        self.s.signal(signal.SIGHUP)
        return self.s.wait_log(event, count + 1)[-1]


@pytest.fixture
def site(server):
    return Site(server)


def ttl(s, name):
    return s.query(name).answer[0].ttl


def test_zone_files_are_read_again(site):
    s = site.s
    assert s.ask("www.service.local") == ["192.0.2.1"]
    site.write_zone("$TTL 60\nwww A 192.0.2.2\nnew A 192.0.2.3\n")
    site.reload()
    assert s.ask("www.service.local") == ["192.0.2.2"] and s.ask("new.service.local") == ["192.0.2.3"]
    site.write_zone("$TTL 60\nnew A 192.0.2.3\n")
    site.reload()
    assert s.dns.rcode("www.service.local") == "NXDOMAIN"


def test_a_new_static_name_hides_a_service_and_gives_it_back(site):
    s = site.s
    s.call("REGISTER", "web", "10.0.0.1", 80)
    assert s.ask("web.service.local") == ["10.0.0.1"]
    site.write_zone(ZONE + "web A 192.0.2.9\n")
    site.reload()
    assert s.ask("web.service.local") == ["192.0.2.9"]
    s.wait_log("event=service_hidden service=web")
    with pytest.raises(redis.ResponseError, match="BADARG"):
        s.call("REGISTER", "web", "10.0.0.2", 80)
    site.write_zone(ZONE)
    site.reload()
    assert s.ask("web.service.local") == ["10.0.0.1"]


def test_policies_and_ttl(site):
    s = site.s
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    s.call("REGISTER", "web", "10.0.0.2", 80, "TTL", "1h")
    assert ttl(s, "web.service.local") == 5 and len(s.ask("web.service.local")) == 2
    site.set("dns", ttl="40s")
    site.set("service web", answer="one")
    site.reload()
    assert ttl(s, "web.service.local") == 40 and len(s.ask("web.service.local")) == 1
    del site.options["service web"]
    site.reload()
    assert len(s.ask("web.service.local")) == 2


def test_domains(server):
    """Another list of domains: the services are under the new ones, and the zone files are those of their places."""
    site = Site(server)
    s = site.s
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    site.set("dns", domain="internal.example, service.local", zone_file=site.zone_path)
    site.reload()
    assert s.ask("web.internal.example") == s.ask("web.service.local") == ["10.0.0.1"]
    assert s.ask("www.internal.example") == ["192.0.2.1"] and s.dns.rcode("www.service.local") == "NXDOMAIN"
    assert "event=restart_needed" not in s.log()
    site.set("dns", domain="internal.example")
    site.reload()
    assert s.dns.rcode("web.service.local") == "REFUSED" and s.ask("web.internal.example") == ["10.0.0.1"]


def test_who_may_ask(site):
    s = site.s
    assert s.dns.rcode("www.service.local") == "NOERROR"
    site.set("dns", allow="192.0.2.0/24")
    site.reload()
    wait_until(lambda: s.dns.rcode("www.service.local") == "REFUSED", what="the workers have the new list")
    site.set("dns", allow="127.0.0.0/8")
    site.reload()
    wait_until(lambda: s.dns.rcode("www.service.local") == "NOERROR", what="the workers have the new list")


def test_lease_bounds(site):
    s = site.s
    site.set("registry", lease_default="7s", lease_max="60s")
    site.reload()
    assert s.call("REGISTER", "web", "10.0.0.1", 80)[1] == 7
    with pytest.raises(redis.ResponseError, match="TTL"):
        s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "61s")


def test_the_password_takes_effect_and_changes(site):
    s = site.s
    password = s.write("password", "first\n")
    os.chmod(password, 0o600)
    site.set("registry", password_file=password)
    site.reload()
    with pytest.raises(redis.AuthenticationError):
        s.redis().execute_command("LIST")
    assert s.redis(password="first").execute_command("LIST") == []
    s.write("password", "second\n")
    site.reload()
    with pytest.raises(redis.AuthenticationError):
        s.redis(password="first").execute_command("LIST")
    assert s.redis(password="second").execute_command("LIST") == []


def test_the_log_level(site):
    s = site.s
    site.set("server", log_level="error")
    site.s.write("rollcalld.conf", site.text())
    s.signal(signal.SIGHUP)
    wait_until(lambda: int(s.redis().execute_command("INFO", "server")["reloads"]) == 1, what="reloaded")
    s.call("REGISTER", "quiet", "10.0.0.1", 80)
    assert "service=quiet" not in s.log()


@pytest.mark.parametrize("break_it", ["unknown key", "bad zone", "no zone", "open password", "bad script user"])
def test_a_broken_file_changes_nothing(site, break_it):
    s = site.s
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    site.set("dns", ttl="40s")
    if break_it == "unknown key":
        site.set("dns", tttl="3s")
    elif break_it == "bad zone":
        site.write_zone("www A not-an-address\n")
    elif break_it == "no zone":
        site.set("dns", zone_file=site.zone_path + "-missing")
    elif break_it == "open password":
        os.chmod(s.write("password", "x\n"), 0o666)
        site.set("registry", password_file=s.path("password"))
    else:
        site.set("script disk", command="/bin/true", user="no-such-user")
    line = site.reload("event=reload_failed")
    assert "why=" in line
    assert ttl(s, "web.service.local") == 5
    assert s.ask("www.service.local") == ["192.0.2.1"]
    site.options["dns"] = {"zone_file": site.zone_path, "ttl": "40s"}
    site.options.pop("registry", None)
    site.options.pop("script disk", None)
    site.write_zone(ZONE)
    site.reload()
    assert ttl(s, "web.service.local") == 40


def test_what_needs_a_restart_is_named(site):
    site.set("server", workers=3)
    site.set("dns", ttl="40s")
    site.reload()
    line, = site.s.wait_log("event=restart_needed")
    assert "server.workers" in line and "ttl" not in line
    site.reload()
    site.s.wait_log("event=restart_needed", 2)


def test_registrations_watches_and_connections_survive(site):
    s = site.s
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    listener = s.redis().pubsub()
    listener.subscribe("web")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    with s.dns.tcp() as tcp:
        tcp.query("web.service.local")
        for _ in range(5):
            site.reload()
        assert tcp.query("web.service.local").rcode() == dns.rcode.NOERROR
    s.call("REGISTER", "web", "10.0.0.2", 80)
    wait_until(lambda: (listener.get_message(timeout=1) or {}).get("type") == "message", 5, "the subscription goes on")
    assert sorted(s.ask("web.service.local")) == ["10.0.0.1", "10.0.0.2"]
