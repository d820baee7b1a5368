"""TTLs, DESIGN 2: an answer never outlives the lease that it depends on."""

from waiting import wait_until


def ttl_of(s, name, rdtype="A"):
    return s.query(name, rdtype).answer[0].ttl


def test_the_configured_ttl(server):
    s = server(config="[dns]\nttl = 7\n[service slow]\nttl = 60\n")
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", "1h")
    s.call("REGISTER", "slow", "10.0.0.1", 80, "TTL", "1h")
    assert (ttl_of(s, "web.service.local"), ttl_of(s, "slow.service.local")) == (7, 60)


def test_the_lease_bounds_the_ttl(server):
    s = server(options={"dns.ttl": 60})
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "a", "TTL", "10s")
    s.call("REGISTER", "web", "10.0.0.2", 80, "ID", "b", "TTL", "1h")
    assert 8 <= ttl_of(s, "web.service.local") <= 10
    assert 8 <= ttl_of(s, "a.web.service.local") <= 10
    assert ttl_of(s, "b.web.service.local") == 60
    s.call("DEREGISTER", "web", "a")
    assert ttl_of(s, "web.service.local") == 60


def test_the_ttl_counts_down_and_a_renewal_lifts_it(server):
    s = server(options={"dns.ttl": 60})
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "a", "TTL", "3s")
    wait_until(lambda: ttl_of(s, "web.service.local") == 1, 4, "the TTL has come down to one second")
    s.call("RENEW", "web", "a")
    wait_until(lambda: ttl_of(s, "web.service.local") >= 2, 1, "the renewal is seen")


def test_a_permanent_registration_has_the_whole_ttl(server):
    s = server(options={"dns.ttl": 60})
    s.call("REGISTER", "web", "10.0.0.1", 80, "TTL", 0)
    assert ttl_of(s, "web.service.local") == 60


def test_negative_ttl(server):
    s = server(options={"dns.negative_ttl": 3})
    assert s.query("absent.service.local").authority[0].ttl == 3
