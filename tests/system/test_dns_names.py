"""The table of names, DESIGN 2: what is asked, what is answered. One server for the module: nothing here depends on time."""

import pytest
from dns_client import additional, extended_error, flags, records

D = "service.local"


@pytest.fixture(scope="module")
def world(module_server):
    s = module_server(options={"dns.domain": "service.local, svc.internal", "dns.ttl": 5})
    s.call("REGISTER", "User_Service", "10.0.0.1", 8080, "ID", "a", "TAG", "v1", "TAG", "blue", "TTL", "1h",
           "META", "zone", "eu", "META", "color", "dark blue", "PORT", "metrics", 9100, "PORT", "gossip", "7946/udp")
    s.call("REGISTER", "user-service", "10.0.0.2", 8081, "ID", "b", "TAG", "v2", "TTL", "1h", "WEIGHT", 3, "PRIORITY", 2)
    s.call("REGISTER", "user-service", "10.0.0.3,2001:db8::3", 8082, "ID", "c-3", "TAG", "V1", "TTL", "1h")
    s.call("REGISTER", "v6only", "2001:db8::1", 80, "TTL", "1h")
    s.call("REGISTER", "nobody", "10.9.0.1", 80, "ID", "x", "TTL", "1h", "CHECK", "ttl 1h")  # starting
    return s


def name_ask(s, name, rdtype):
    return sorted(s.ask(name, rdtype))


ANSWERS = [
    # name, type, answer
    ("user_service", "A", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    ("user-service", "A", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    ("USER_Service", "A", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
    ("user_service", "AAAA", ["2001:db8::3"]),
    ("v6only", "AAAA", ["2001:db8::1"]),
    ("a.user_service", "A", ["10.0.0.1"]),
    ("A.User-Service", "A", ["10.0.0.1"]),
    ("c_3.user_service", "AAAA", ["2001:db8::3"]),
    ("v1.user_service", "A", ["10.0.0.1", "10.0.0.3"]),
    ("V1.user_service", "AAAA", ["2001:db8::3"]),
    ("v2.user_service", "A", ["10.0.0.2"]),
    ("blue.user_service", "A", ["10.0.0.1"]),
    ("a.user_service", "TXT", ['"color=dark blue"', '"zone=eu"']),
    ("x.nobody", "A", ["10.9.0.1"]),  # an SRV target does not dangle, whatever the state
]


@pytest.mark.parametrize("name,rdtype,expected", ANSWERS, ids=[f"{n}/{t}" for n, t, _ in ANSWERS])
@pytest.mark.parametrize("domain", [D, "svc.internal"])
def test_addresses(world, name, rdtype, expected, domain):
    got = name_ask(world, f"{name}.{domain}", rdtype)
    if rdtype == "TXT":  # one record, its strings in no promised order
        got = sorted(f'"{part}"' for part in got[0].strip('"').split('" "'))
    assert got == expected


SERVICES = [
    ("user_service", 3), ("_user_service._tcp", 3), ("_user-service._udp", 3), ("_USER_service._TCP", 3),
    ("_user_service._v1", 2), ("v1.user_service", 2), ("_user_service._blue", 1), ("b.user_service", 1),
    ("_metrics._tcp.user_service", 1), ("_gossip._udp.user_service", 1),
]


@pytest.mark.parametrize("name,count", SERVICES)
def test_srv_sets(world, name, count):
    answer = world.query(f"{name}.{D}", "SRV", use_edns=0, payload=1232)
    assert len(records(answer, "SRV")) == count
    assert "aa" in flags(answer)


def test_srv_carries_priority_weight_port_and_target(world):
    got = {r.split()[3].lower(): r.split()[:3] for r in world.ask(f"user_service.{D}", "SRV")}
    assert {k.split(".")[0]: v for k, v in got.items()} == {"a": ["0", "1", "8080"], "b": ["2", "3", "8081"],
                                                            "c-3": ["0", "1", "8082"]}
    for target in got:
        assert world.ask(target, "A"), f"{target} dangles"


@pytest.mark.parametrize("name", ["user_service", "_user_service._tcp", "_metrics._tcp.user_service", "blue.USER_SERVICE"])
def test_srv_targets_are_host_names_in_the_case_shown(world, name):
    answer = world.query(f"{name}.{D}", "SRV", use_edns=0, payload=1232)
    target = next(r.split()[3] for r in records(answer, "SRV") if r.split()[3].startswith("a."))
    assert target == f"a.User-Service.{D}."
    assert additional(answer)[target] == world.ask(target, "A") == world.ask(target.replace("-", "_"), "A") == ["10.0.0.1"]


def test_srv_lower_priority_value_comes_first(world):
    for _ in range(6):
        assert [r.split()[0] for r in world.ask(f"user_service.{D}", "SRV")] == ["0", "0", "2"]


def test_srv_brings_addresses_of_both_families(world):
    answer = world.query(f"user_service.{D}", "SRV", use_edns=0, payload=1232)
    assert sorted(sum(additional(answer, "A").values(), [])) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert sum(additional(answer, "AAAA").values(), []) == ["2001:db8::3"]


def test_named_ports_have_their_own_numbers_and_protocols(world):
    assert [r.split()[2] for r in world.ask(f"_metrics._tcp.user_service.{D}", "SRV")] == ["9100"]
    assert [r.split()[2] for r in world.ask(f"_gossip._udp.user_service.{D}", "SRV")] == ["7946"]
    assert world.dns.rcode(f"_gossip._tcp.user_service.{D}", "SRV") == "NXDOMAIN"


MISSING = ["absent", "absent.user_service", "a.absent", "_absent._tcp", "x.a.user_service", "_user_service._absent",
           "_absent._tcp.user_service", "user__service"]


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("rdtype", ["A", "SRV", "TXT"])
def test_a_name_that_does_not_exist(world, name, rdtype):
    answer = world.query(f"{name}.{D}", rdtype)
    assert answer.rcode() == 3 and "aa" in flags(answer)
    assert answer.authority[0].rdtype == 6 and answer.authority[0].name.to_text() == f"{D}."
    assert answer.authority[0].ttl <= 5


EXISTING = [("user_service", "TXT"), ("user_service", "MX"), ("v6only", "A"), ("a.user_service", "AAAA"),
            ("v2.user_service", "AAAA"), ("_user_service._tcp", "A"), ("_tcp", "A"), ("_tcp.user_service", "SRV"),
            ("v6only", "CNAME"), ("v6only", "TYPE65280")]


@pytest.mark.parametrize("name,rdtype", EXISTING)
def test_a_name_that_exists_without_that_type(world, name, rdtype):
    answer = world.query(f"{name}.{D}", rdtype)
    assert (answer.rcode(), answer.answer) == (0, [])
    assert answer.authority[0].rdtype == 6 and "aa" in flags(answer)


@pytest.mark.parametrize("domain", [D, "svc.internal"])
def test_apex(world, domain):
    soa = world.ask(domain, "SOA")[0].split()
    assert soa[:2] == [f"ns.{domain}.", f"hostmaster.{domain}."]
    assert world.ask(domain, "NS") == [f"ns.{domain}."]
    assert world.ask(f"ns.{domain}", "A") == ["127.0.0.1"]
    answer = world.query(domain, "A")
    assert (answer.rcode(), answer.answer) == (0, [])


def test_serial_follows_the_revision(world):
    before = int(world.ask(D, "SOA")[0].split()[2])
    revision = world.call("REGISTER", "serial", "10.0.0.9", 80, "ID", "s")[2]
    after = int(world.ask(D, "SOA")[0].split()[2])
    assert after == revision % 2**32 and after != before
    world.call("DEREGISTER", "serial", "s")


def test_a_service_with_nobody_to_serve_is_nodata_and_says_why(world):
    answer = world.query(f"nobody.{D}", "A", use_edns=0)
    assert (answer.rcode(), answer.answer) == (0, [])
    assert extended_error(answer)[0] == 14


@pytest.mark.parametrize("name", ["example.com", "local", "xservice.local", "service.localx", "."])
def test_other_names_are_refused(world, name):
    answer = world.query(name, "A", use_edns=0)
    assert answer.rcode() == 5 and extended_error(answer)[0] == 20
    assert "aa" not in flags(answer)


def test_the_question_comes_back_as_it_was_asked(world):
    for text in ("uSeR_sErViCe.SERVICE.local", "ABSENT.service.LOCAL", "example.COM"):
        assert world.query(text, "A").question[0].name.to_text() == text + "."
