"""Sets that are larger than what early software could think of: thousands of instances over TCP."""

import socket

import dns.message
import pytest
from dns_client import additional, flags, records


def register(s, service, count):
    """Inline commands, all at once: python3-redis would take seconds for thousands."""
    lines = (f"REGISTER {service} 10.{i >> 16}.{i >> 8 & 255}.{i & 255} {8000 + i % 1000} ID i{i} TTL 1h\r\n"
             for i in range(count))
    with socket.create_connection((s.registry_host, s.registry_port), 10) as c:
        c.sendall("".join(lines).encode())
        replies = b""
        while replies.count(b"*3\r\n") < count:
            part = c.recv(1 << 20)
            assert part and b"-" not in part.split(b"\r\n")[0][:1]
            replies += part


def tcp_answer(s, name, rdtype):
    with s.dns.tcp() as t:
        t.send(dns.message.make_query(name, rdtype, use_edns=0).to_wire())
        packet = t.receive()
    return packet, dns.message.from_wire(packet)


def test_a_thousand_srv_with_addresses_past_offset_16383(server):
    s = server()
    register(s, "big", 1000)
    packet, answer = tcp_answer(s, "big.service.local", "SRV")
    assert len(packet) > 16384 and "tc" not in flags(answer)
    targets = {r.split()[3]: int(r.split()[2]) for r in records(answer, "SRV")}
    assert len(targets) == 1000
    addresses = additional(answer, "A")
    for i in range(1000):
        target = f"i{i}.big.service.local."
        assert targets[target] == 8000 + i
        if target in addresses:  # as many as fit
            assert addresses[target] == [f"10.0.{i >> 8 & 255}.{i & 255}"]
    assert len(addresses) > 400
    # ldns's own tool must be able to read it, too
    assert s.dns.drill("-t", "big.service.local", "SRV").count("\tSRV\t") >= 1000


@pytest.mark.parametrize("rdtype", ["SRV", "A"])
def test_beyond_64_kib_is_a_fair_subset(server, rdtype):
    s = server(options={"server.workers": 1, "dns.answer": "all"})
    register(s, "huge", 6000)
    seen = set()
    for _ in range(4):
        packet, answer = tcp_answer(s, "huge.service.local", rdtype)
        got = records(answer, rdtype)
        assert len(packet) <= 65535 and "tc" not in flags(answer)
        assert 1000 < len(got) < 6000 and len(set(got)) == len(got)
        seen.update(got)
    if rdtype == "A":
        assert len(packet) > 65000
    assert len(seen) > len(got), "every answer is the same subset"


def test_five_thousand_addresses_few_at_a_time(server):
    s = server(options={"server.workers": 1})
    register(s, "huge", 5000)
    seen = [address for _ in range(625) for address in s.ask("huge.service.local")]
    assert len(seen) == 5000
    first = {s.ask("huge.service.local")[0] for _ in range(1000)}
    assert len(first) == 1000
