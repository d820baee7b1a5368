"""Balancing, DESIGN 2, through the socket: one worker is exact."""

from collections import Counter

import pytest


def first_of(s, name, rdtype, n):
    seen = Counter()
    for _ in range(n):
        answer = s.ask(name, rdtype)
        seen[answer[0].split()[-1]] += 1
    return seen


@pytest.mark.parametrize("k", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("rdtype", ["A", "SRV"])
def test_equal_instances_come_first_equally_often(server, k, rdtype):
    s = server(options={"server.workers": 1})
    for i in range(k):
        s.call("REGISTER", "web", f"10.0.{i // 250}.{i % 250 + 1}", 80)
    seen = first_of(s, "web.service.local", rdtype, 3 * k)
    assert len(seen) == k and set(seen.values()) == {3}


@pytest.mark.parametrize("rdtype", ["A", "SRV"])
def test_weights_are_exact(server, rdtype):
    s = server(options={"server.workers": 1})
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "heavy", "WEIGHT", 3)
    s.call("REGISTER", "web", "10.0.0.2", 80, "ID", "light", "WEIGHT", 1)
    assert sorted(first_of(s, "web.service.local", rdtype, 80).values()) == [20, 60]


def test_a_and_aaaa_pairs_rotate_independently(server):
    s = server(options={"server.workers": 1})
    for i in range(2):
        s.call("REGISTER", "dual", f"10.0.0.{i + 1},2001:db8::{i + 1}", 80)
    v4, v6 = Counter(), Counter()
    for _ in range(20):
        v4[s.ask("dual.service.local", "A")[0]] += 1
        v6[s.ask("dual.service.local", "AAAA")[0]] += 1
    assert set(v4.values()) == {10} and set(v6.values()) == {10}


def test_a_shared_address_weighs_the_sum(server):
    s = server(options={"server.workers": 1})
    for port in (80, 81, 82):
        s.call("REGISTER", "web", "10.0.0.1", port)
    s.call("REGISTER", "web", "10.0.0.2", 80)
    assert first_of(s, "web.service.local", "A", 40) == {"10.0.0.1": 30, "10.0.0.2": 10}
    assert sorted(s.ask("web.service.local", "A")) == ["10.0.0.1", "10.0.0.2"]


def test_a_change_in_between_keeps_the_position(server):
    s = server(options={"server.workers": 1})
    for i in (1, 2, 3):
        s.call("REGISTER", "web", f"10.0.0.{i}", 80, "ID", f"i{i}")
    seen = Counter()
    for i in range(30):
        seen[s.ask("web.service.local")[0]] += 1
        s.call("REGISTER", "web", "10.0.0.3", 80, "ID", "i3", "META", "n", i)  # a replacement on each turn
    assert set(seen.values()) == {10}


@pytest.mark.parametrize("mode,count", [("one", 1), ("all", 20), ("few", 8)])
def test_answer_modes(server, mode, count):
    s = server(config=f"[service web]\nanswer = {mode}\n")
    for i in range(20):
        s.call("REGISTER", "web", f"10.0.0.{i + 1}", 80)
    assert len(s.ask("web.service.local")) == count


def test_order_fixed(server):
    s = server(config="[service web]\norder = fixed\n")
    for i in (1, 2, 3):
        s.call("REGISTER", "web", f"10.0.0.{i}", 80)
    assert first_of(s, "web.service.local", "A", 12) == {"10.0.0.1": 12}


def test_order_random_is_weighted(server):
    s = server(config="[service web]\norder = random\n")
    s.call("REGISTER", "web", "10.0.0.1", 80, "WEIGHT", 3)
    s.call("REGISTER", "web", "10.0.0.2", 80)
    seen = first_of(s, "web.service.local", "A", 1000)
    assert 650 < seen["10.0.0.1"] < 850  # 750 expected; 100 is more than seven standard deviations


@pytest.mark.parametrize("policy,expected", [("nodata", ("NOERROR", 0)), ("nxdomain", ("NOERROR", 0)), ("all", ("NOERROR", 2))])
def test_on_empty(server, policy, expected):
    s = server(config=f"[service web]\non_empty = {policy}\n")
    for i in (1, 2):
        s.call("REGISTER", "web", f"10.0.0.{i}", 80, "ID", f"i{i}", "CHECK", "ttl 1h")
        s.call("REPORT", "web", f"i{i}", "CRITICAL")
    # With nxdomain the names i1.web and i2.web still exist, so web does (RFC 8020).
    assert (s.dns.rcode("web.service.local"), len(s.ask("web.service.local"))) == expected


def test_on_empty_nxdomain_when_nothing_is_below(server):
    s = server(config="[service web]\non_empty = nxdomain\n[service api]\n")
    assert s.dns.rcode("web.service.local") == "NXDOMAIN"
    assert s.dns.rcode("api.service.local") == "NOERROR"
