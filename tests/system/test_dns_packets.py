"""Packets, DESIGN 2: header flags, EDNS, sizes, and questions that are not ordinary ones."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rdataclass
import pytest
from dns_client import extended_error, flags, records

NAME = "web.service.local"


@pytest.fixture(scope="module")
def world(module_server):
    s = module_server(options={"server.id": "here-1", "dns.max_answers": 100})
    s.call("REGISTER", "web", "10.0.0.1", 80, "ID", "one", "TTL", "1h")
    for i in range(60):
        s.call("REGISTER", "big", f"10.1.0.{i + 1}", 8000 + i, "TTL", "1h")
    return s


def header(ident=0x1234, bits=0x0100, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!6H", ident, bits, qd, an, ns, ar)


def question(name=NAME, rdtype=1, rdclass=1):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0" + struct.pack("!2H", rdtype, rdclass)


def opt(size=1232, version=0, bits=0, options=b""):
    return b"\0" + struct.pack("!2HBBHH", 41, size, 0, version, bits, len(options)) + options


def rcode_of(packet):
    """Extended rcode, from the header and the OPT at the end of a short answer."""
    return dns.message.from_wire(packet, ignore_trailing=True).rcode()


# ── flags ──

@pytest.mark.parametrize("rd", [0, dns.flags.RD])
@pytest.mark.parametrize("cd", [0, dns.flags.CD])
def test_rd_and_cd_are_copied(world, rd, cd):
    answer = world.query(NAME, "A", flags=rd | cd | dns.flags.AD)
    assert flags(answer) == {"qr", "aa"} | ({"rd"} if rd else set()) | ({"cd"} if cd else set())


def test_ra_always(server):
    s = server(options={"dns.ra": "always"})
    s.call("REGISTER", "web", "10.0.0.1", 80)
    assert "ra" in flags(s.query(NAME, "A"))


# ── EDNS ──

def test_no_opt_without_one(world):
    assert world.query(NAME, "A").edns == -1


def test_opt_do_and_size(world):
    answer = world.query(NAME, "A", use_edns=0, payload=4096, want_dnssec=True)
    assert answer.edns == 0 and answer.ednsflags & dns.flags.DO and answer.payload == 1232
    assert not world.query(NAME, "A", use_edns=0).ednsflags & dns.flags.DO


def test_unknown_options_are_ignored(world):
    option = dns.edns.GenericOption(65001, b"x" * 40)
    answer = world.query(NAME, "A", use_edns=0, options=[option])
    assert records(answer, "A") == ["10.0.0.1"] and len(answer.options) == 0


def test_version_1_is_badvers(world):
    answer = dns.message.from_wire(world.dns.send_udp(header(ar=1) + question() + opt(version=1)))
    assert answer.rcode() == 16 and answer.edns == 0 and not answer.answer


BAD_OPT = {
    "two OPTs": header(ar=2) + question() + opt() + opt(),
    "OPT below the root": header(ar=1) + question() + b"\1x" + opt(),
    "option runs over its OPT": header(ar=1) + question() + opt(options=struct.pack("!2H", 10, 8) + b"abc"),
    "OPT runs over the packet": header(ar=1) + question() + opt(options=b"")[:-2] + b"\0\x40",
}


@pytest.mark.parametrize("packet", BAD_OPT.values(), ids=BAD_OPT.keys())
def test_bad_opt_is_formerr(world, packet):
    assert rcode_of(world.dns.send_udp(packet)) == 1


# ── sizes ──

@pytest.mark.parametrize("asked,limit", [(None, 512), (0, 512), (100, 512), (512, 512), (800, 800), (1232, 1232), (65535, 1232)])
def test_udp_answers_keep_to_the_size(world, asked, limit):
    query = dns.message.make_query("big.service.local", "SRV", **({} if asked is None else dict(use_edns=0, payload=asked)))
    packet = world.dns.send_udp(query.to_wire())
    assert len(packet) <= limit
    answer = dns.message.from_wire(packet)
    assert "tc" in flags(answer) and 0 < len(records(answer, "SRV")) < 60
    assert len(packet) > limit - 60, "room for another record is left"


def test_tcp_gives_the_whole_set(world):
    answer = world.query("big.service.local", "SRV", tcp=True)
    assert len(records(answer, "SRV")) == 60 and "tc" not in flags(answer)
    assert len(answer.additional) == 60


def test_additional_is_cut_without_tc(server):
    s = server()
    for i in range(8):
        s.call("REGISTER", "edge", f"10.1.0.{i + 1}", 80, "ID", f"instance-{i}")
    answer = s.query("edge.service.local", "SRV")
    assert len(records(answer, "SRV")) == 8 and "tc" not in flags(answer)
    assert len(answer.additional) < 8
    assert len(s.query("edge.service.local", "SRV", use_edns=0, payload=1232).additional) == 8


def test_dig_falls_back_to_tcp(world):
    assert len(world.dns.dig("big.service.local", "SRV", "+short").splitlines()) == 60
    kdig = world.dns.kdig("big.service.local", "SRV", "+short")
    assert "truncated reply" in kdig and kdig.count(".big.service.local.") == 60


def test_max_answers_is_complete_not_truncated(server):
    s = server()
    for i in range(30):
        s.call("REGISTER", "big", f"10.1.0.{i + 1}", 80)
    answer = s.query("big.service.local", "A")
    assert len(records(answer, "A")) == 8 and "tc" not in flags(answer)


# ── other kinds of questions ──

@pytest.mark.parametrize("rdtype,rcode", [("AXFR", 5), ("IXFR", 5)])
def test_transfers_are_refused(world, rdtype, rcode):
    with world.dns.tcp() as t:
        t.send(header() + question("service.local", {"AXFR": 252, "IXFR": 251}[rdtype]))
        assert t.receive()[3] & 15 == rcode


@pytest.mark.parametrize("opcode", [1, 2, 3, 4, 5, 6, 15])
def test_other_opcodes_are_notimp(world, opcode):
    packet = world.dns.send_udp(header(bits=opcode << 11) + question())
    assert packet[3] & 15 == 4 and packet[2] >> 3 & 15 == opcode and packet[2] & 0x80


@pytest.mark.parametrize("rdclass", [0, 2, 4, 254, 255, 1000])
def test_other_classes_are_refused(world, rdclass):
    assert world.dns.send_udp(header() + question(rdclass=rdclass))[3] & 15 == 5


@pytest.mark.parametrize("count", [0, 2, 3, 65535])
def test_other_than_one_question_is_formerr(world, count):
    assert world.dns.send_udp(header(qd=count) + question() * min(count, 3))[3] & 15 == 1


def test_any_is_answered_small(world):
    answer = world.query(NAME, "ANY")
    assert [r.rdtype for r in answer.answer] == [13] and "RFC8482" in answer.answer[0].to_text()


@pytest.mark.parametrize("name,text", [("id.server", "here-1"), ("hostname.bind", "here-1"), ("version.bind", "rollcall")])
def test_chaos(world, name, text):
    answer = world.query(name, "TXT", rdclass=dns.rdataclass.CH)
    assert text in answer.answer[0].to_text()


def test_chaos_can_be_switched_off(server):
    s = server(options={"dns.chaos": "no"})
    assert s.dns.rcode("version.bind", "TXT", rdclass=dns.rdataclass.CH) == "REFUSED"


def test_tsig_is_badkey(world):
    key = b"\3key\0" + struct.pack("!2HIH", 250, 255, 0, 0)
    algorithm = b"\x0bhmac-sha256\0"
    rdata = algorithm + struct.pack("!HIHH", 0, 1700000000, 300, 32) + b"m" * 32 + struct.pack("!HHH", 0x1234, 0, 0)
    packet = world.dns.send_udp(header(ar=1) + question() + key[:-2] + struct.pack("!H", len(rdata)) + rdata)
    assert packet[3] & 15 == 9  # NOTAUTH


def test_silence_for_answers_and_stubs_of_headers(world):
    quiet = [b"", b"x", header()[:11], header(bits=0x8000) + question()]
    with world.dns.udp_socket() as s:
        for packet in quiet:
            s.send(packet)
        s.send(header(ident=7) + question())
        assert s.recv(512)[:2] == b"\0\7", "something else was answered"


def test_allow_refuses_others_with_a_reason(server):
    s = server(options={"dns.allow": "192.0.2.0/24"})
    answer = s.query(NAME, "A", use_edns=0)
    assert answer.rcode() == 5 and extended_error(answer)[0] == 18
