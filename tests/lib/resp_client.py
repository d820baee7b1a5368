"""A bare connection to the protocol: bytes out, RESP values in, for what no client library would send or wait for."""

import socket
import time


class Error(str):
    """An error reply; its text, the code first."""


class Push(list):
    """A RESP3 push."""


class Closed(Exception):
    """The server has closed the connection."""


def encode(*words):
    """One request as an array of words."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class RespClient:
    """Over TCP to (host, port), or a Unix socket path. A context manager."""

    def __init__(self, address, timeout=10.0, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.buffer = bytearray()
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # ── out ──

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, *words):
        self.send_raw(encode(*words))

    def call(self, *words):
        self.send(*words)
        return self.read()

    def line(self, text):
        """An inline request."""
        self.send_raw(text.encode() + b"\r\n")
        return self.read()

    # ── in ──

    def _fill(self):
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed()
        if self.at > 1 << 20:
            del self.buffer[:self.at]
            self.at = 0
        self.buffer += data

    def _line(self):
        while (end := self.buffer.find(b"\r\n", self.at)) < 0:
            self._fill()
        line = bytes(self.buffer[self.at:end])
        self.at = end + 2
        return line

    def _bytes(self, n):
        while len(self.buffer) - self.at < n + 2:
            self._fill()
        data = bytes(self.buffer[self.at:self.at + n])
        self.at += n + 2
        return data

    def read(self):
        """The next value; bulk strings as str."""
        line = self._line()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            return Error(rest)
        if kind == b":":
            return int(rest)
        if kind == b"_" or rest == "-1":
            return None
        if kind == b"$":
            return self._bytes(int(rest)).decode("utf-8", "replace")
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b">":
            return Push(self.read() for _ in range(int(rest)))
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        raise AssertionError(f"not RESP: {line!r}")

    def is_closed(self, deadline=5.0):
        """True when the server closes within `deadline`; what it still says is dropped."""
        end = time.monotonic() + deadline
        try:
            while time.monotonic() < end:
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                self._fill()
                self.buffer.clear()
                self.at = 0
        except Closed:
            return True
        except TimeoutError:
            pass
        return False
