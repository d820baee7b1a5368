"""Static names of a zone file, DESIGN 2: all types, CNAME chains into services, and that a static name wins."""

import pytest
import redis
from dns_client import flags, records

import rollcall_server

ZONE = """\
$TTL 60
@       SOA   ns1 admin 7 3600 600 86400 30
@       NS    ns1
@       MX    10 mail
@       TXT   "v=spf1 -all"
@       CAA   0 issue "ca.example.net"
ns1     A     192.0.2.53
        AAAA  2001:db8::53
mail    A     192.0.2.25
www     CNAME shop
deep1   CNAME deep2
deep2   CNAME deep3
deep3   CNAME www
outside CNAME www.example.com.
nowhere CNAME absent
ptr     PTR   host.example.com.
_sip._tcp SRV 5 10 5060 mail
a.b.c   A     192.0.2.1
"""


@pytest.fixture(scope="module")
def world(module_server):
    s = module_server(files={"zone": ZONE}, options={"server.workers": 1, "dns.zone_file": "{folder}/zone"})
    for i in (1, 2):
        s.call("REGISTER", "shop", f"10.0.0.{i}", 80, "TTL", "1h")
    return s


RECORDS = [
    ("", "SOA", ["ns1.service.local. admin.service.local. 7 3600 600 86400 30"]),
    ("", "NS", ["ns1.service.local."]),
    ("", "MX", ["10 mail.service.local."]),
    ("", "TXT", ['"v=spf1 -all"']),
    ("", "CAA", ['0 issue "ca.example.net"']),
    ("ns1.", "A", ["192.0.2.53"]),
    ("NS1.", "AAAA", ["2001:db8::53"]),
    ("ptr.", "PTR", ["host.example.com."]),
    ("_sip._tcp.", "SRV", ["5 10 5060 mail.service.local."]),
    ("a.b.c.", "A", ["192.0.2.1"]),
    ("www.", "CNAME", ["shop.service.local."]),
]


@pytest.mark.parametrize("name,rdtype,expected", RECORDS)
def test_static_records(world, name, rdtype, expected):
    answer = world.query(f"{name}service.local", rdtype)
    assert records(answer, rdtype) == expected
    assert "aa" in flags(answer) and answer.answer[0].ttl == 60


@pytest.mark.parametrize("name", ["c", "b.c"])
def test_empty_non_terminals_exist(world, name):
    assert world.dns.rcode(f"{name}.service.local") == "NOERROR"


@pytest.mark.parametrize("name,links", [("www", 1), ("deep1", 4)])
def test_cname_ends_at_a_balanced_service(world, name, links):
    seen = set()
    for _ in range(2):
        answer = world.query(f"{name}.service.local", "A")
        assert len(records(answer, "CNAME")) == links
        seen.add(records(answer, "A")[0])
    assert seen == {"10.0.0.1", "10.0.0.2"}


def test_cname_to_srv(world):
    assert len(records(world.query("www.service.local", "SRV"), "SRV")) == 2


def test_cname_out_of_the_domain_is_given_as_it_is(world):
    answer = world.query("outside.service.local", "A")
    assert (answer.rcode(), records(answer, "CNAME"), records(answer, "A")) == (0, ["www.example.com."], [])


def test_cname_to_nothing_is_nxdomain_with_the_link(world):
    answer = world.query("nowhere.service.local", "A")
    assert answer.rcode() == 3 and records(answer, "CNAME") == ["absent.service.local."]
    assert answer.authority[0].rdtype == 6


def test_case_folds_but_underscore_does_not(world):
    assert world.ask("_SIP._TCP.service.local", "SRV")
    assert world.dns.rcode("-sip.-tcp.service.local", "SRV") == "NXDOMAIN"


def test_a_static_name_wins(world):
    with pytest.raises(redis.ResponseError, match="BADARG"):
        world.call("REGISTER", "mail", "10.0.0.1", 80)
    assert world.ask("mail.service.local") == ["192.0.2.25"]


def test_a_bad_zone_file_is_named_with_its_line(server):
    with pytest.raises(rollcall_server.ServerError, match=r"zone:2"):
        server(files={"zone": "$TTL 60\n*.x A 192.0.2.1\n"}, options={"dns.zone_file": "{folder}/zone"})


def test_a_loop_over_two_files_is_refused(server):
    files = {"one": "a A 10.0.0.1\nround CNAME round.corp.example.\n", "two": "round CNAME round.service.local.\n"}
    with pytest.raises(rollcall_server.ServerError, match="one:2: the CNAME of 'round.service.local.' leads back to itself"):
        server(files=files, options={"dns.domain": "service.local, corp.example",
                                     "dns.zone_file": "{folder}/one, {folder}/two"})
