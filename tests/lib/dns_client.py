"""DNS from the outside: dnspython for what a program sees, dig, kdig and drill for what people type, bare sockets for
packets that no client would send."""

import re
import socket
import struct
import subprocess

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

TIMEOUT = 5.0


def split_address(text):
    """"127.0.0.1:53" or "[::1]:53" as (host, port)."""
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class DnsClient:
    """Asks one DNS listener."""

    def __init__(self, address):
        self.host, self.port = split_address(address)
        self.family = socket.AF_INET6 if ":" in self.host else socket.AF_INET

    # ── dnspython ──

    def query(self, name, rdtype="A", tcp=False, timeout=TIMEOUT, **make_query):
        """The whole answer as a dns.message.Message. `make_query`: rdclass, use_edns, payload, want_dnssec, options, flags.
        Without use_edns the question goes out without OPT."""
        q = dns.message.make_query(name, rdtype, **make_query)
        return self.exchange(q, tcp, timeout)

    def exchange(self, message, tcp=False, timeout=TIMEOUT):
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(message, self.host, port=self.port, timeout=timeout)

    def ask(self, name, rdtype="A", **kw):
        """The answer section's records of the asked type, as text, in the order of the packet."""
        return records(self.query(name, rdtype, **kw), rdtype)

    def rcode(self, name, rdtype="A", **kw):
        return dns.rcode.to_text(self.query(name, rdtype, **kw).rcode())

    # ── programs ──

    def dig(self, *args, check=True):
        return self._program(["dig", f"@{self.host}", "-p", str(self.port), "+tries=1", "+time=5"], args, check)

    def kdig(self, *args, check=True):
        return self._program(["kdig", f"@{self.host}", "-p", str(self.port), "+retry=0", "+time=5"], args, check)

    def drill(self, *args, check=True):
        return self._program(["drill", "-p", str(self.port)], [*args, f"@{self.host}"], check)

    @staticmethod
    def _program(command, args, check):
        done = subprocess.run([*command, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=20)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    # ── bare packets ──

    def udp_socket(self, timeout=TIMEOUT):
        s = socket.socket(self.family, socket.SOCK_DGRAM)
        s.settimeout(timeout)
        s.connect((self.host, self.port))
        return s

    def send_udp(self, packet, timeout=TIMEOUT):
        """One datagram out, one in; None if nothing comes within `timeout`."""
        with self.udp_socket(timeout) as s:
            s.send(packet)
            try:
                return s.recv(65535)
            except (TimeoutError, ConnectionRefusedError):
                return None

    def tcp(self, timeout=TIMEOUT):
        return TcpSession(self, timeout)


class TcpSession:
    """One DNS connection, RFC 7766 framing. A context manager."""

    def __init__(self, client, timeout):
        self.socket = socket.create_connection((client.host, client.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, packet):
        self.socket.sendall(struct.pack("!H", len(packet)) + packet)

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message's bytes; None once the server has closed the connection."""
        head = self._exactly(2)
        return None if head is None else self._exactly(struct.unpack("!H", head)[0])

    def query(self, name, rdtype="A", **make_query):
        q = dns.message.make_query(name, rdtype, **make_query)
        self.send(q.to_wire())
        answer = dns.message.from_wire(self.receive())
        assert q.is_response(answer)
        return answer

    def is_closed(self):
        """True when the server has closed; waits for it up to the timeout."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            try:
                part = self.socket.recv(n - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data


def records(message, rdtype):
    """Records of one type in the answer section, as text, in the order of the packet."""
    wanted = dns.rdatatype.from_text(rdtype) if isinstance(rdtype, str) else rdtype
    return [rdata.to_text() for rrset in message.answer if rrset.rdtype == wanted for rdata in rrset]


def additional(message, rdtype="A"):
    """{owner: [record, ...]} of the additional section."""
    wanted = dns.rdatatype.from_text(rdtype)
    return {rrset.name.to_text(): [r.to_text() for r in rrset] for rrset in message.additional if rrset.rdtype == wanted}


def flags(message):
    """The flags as dig prints them: {"qr", "aa", "rd", ...}."""
    return set(dns.flags.to_text(message.flags).lower().split())


def extended_error(message):
    """(code, text) of the first Extended DNS Error, RFC 8914; None if there is none."""
    for option in message.options:
        if option.otype == dns.edns.OptionType.EDE:
            return int(option.code), option.text or ""
    return None


def dig_section(text, section):
    """Lines of one section of dig's or kdig's full output ("ANSWER", "AUTHORITY", "ADDITIONAL")."""
    match = re.search(rf"^;; {section} SECTION:\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    return [line for line in match.group(1).splitlines() if line and not line.startswith(";")] if match else []
