"""The main job in one breath, with the programs that people type."""

from dns_client import dig_section
from waiting import wait_until


def test_register_is_seen_by_dig(server):
    s = server()
    s.redis_cli("REGISTER", "user_service", "10.0.0.5", 8080, "ID", "first")
    assert s.dns.dig("user_service.service.local", "A", "+short").split() == ["10.0.0.5"]
    assert s.dns.dig("user_service.service.local", "SRV", "+short").split() == ["0", "1", "8080",
                                                                                "first.user-service.service.local."]
    answer = dig_section(s.dns.dig("user_service.service.local", "SRV"), "ADDITIONAL")
    assert [line.split()[-1] for line in answer] == ["10.0.0.5"]


def test_deregister_is_seen_by_kdig_and_drill(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "one")
    s.call("REGISTER", "web", "10.0.0.2", 80, "ID", "two")
    assert sorted(s.dns.kdig("web.service.local", "A", "+short").split()) == ["10.0.0.1", "10.0.0.2"]
    s.call("DEREGISTER", "web", "one")
    assert s.dns.kdig("web.service.local", "A", "+short").split() == ["10.0.0.2"]
    s.call("DEREGISTER", "web", "two")
    assert "rcode: NXDOMAIN" in s.dns.drill("web.service.local", "A")


def test_lease_lapses(server):
    s = server()
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1s")
    assert s.ask("web.service.local") == ["10.0.0.1"]
    wait_until(lambda: s.dns.rcode("web.service.local") == "NXDOMAIN", 3, "the lease of one second is over")
