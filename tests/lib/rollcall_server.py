"""A real rollcalld for one test: its own folder, free ports, a ready signal in place of a sleep, and an end that is checked."""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

import redis

from dns_client import DnsClient, split_address
from waiting import wait_until

START_DEADLINE = 20.0
STOP_DEADLINE = 15.0
SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


class ServerError(AssertionError):
    pass


class Server:
    """`rollcalld --dev` with options. Attributes: dns (a DnsClient), ready (the ready line), pid, folder."""

    def __init__(self, *args, config=None, options=None, files=None, dev=True, dns="127.0.0.1:0", registry="127.0.0.1:0",
                 env=None, domain="service.local"):
        """`args`: more command line arguments. `config`: text of a configuration file. `options`: {"dns.ttl": 3, ...}.
        `files`: {name: text} to write into the folder first; "{folder}" in the text of options and config is that folder.
        `dns`, `registry`: listen values, commas allowed; None leaves them to the configuration. The protocol also listens on
        unix:FOLDER/rollcall.sock. Call start()."""
        self.program = os.environ["ROLLCALLD"]
        self.client = os.environ.get("ROLLCALL")
        self.folder = tempfile.mkdtemp(prefix="rollcall-test-")
        self.stderr_path = os.path.join(self.folder, "stderr")
        self.unix_path = os.path.join(self.folder, "rollcall.sock")
        self.domain = domain
        self.env = env or {}
        self.process = None
        self.expected_status = 0
        self._redis = None
        for name, text in (files or {}).items():
            self.write(name, text)
        if config is not None:
            self.write("rollcalld.conf", config.replace("{folder}", self.folder))
        wanted = {}
        if dns is not None:
            wanted["dns.listen"] = dns
        if registry is not None:
            wanted["registry.listen"] = f"{registry},unix:{self.unix_path}"
        wanted.update(options or {})
        self.command = [self.program]
        self.command += ["--dev"] if dev else []
        self.command += ["-c", self.path("rollcalld.conf")] if config is not None else []
        for key, value in wanted.items():
            self.command += ["-o", f"{key}={value}".replace("{folder}", self.folder)]
        self.command += [str(a) for a in args]

    # ── life ──

    def start(self):
        read_end, write_end = os.pipe()
        try:
            with open(self.stderr_path, "ab") as log:
                self.process = subprocess.Popen([*self.command, "--ready-fd", str(write_end)], stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, cwd=self.folder, pass_fds=[write_end],
                                                env={**os.environ, **self.env})
            os.close(write_end)
            write_end = None
            self.ready = json.loads(self._ready_line(read_end))
        finally:
            os.close(read_end)
            if write_end is not None:
                os.close(write_end)
        self.pid = self.process.pid
        self.dns = DnsClient(self.ready["dns"][0])
        tcp = [a for a in self.ready["registry"] if not a.startswith("unix:")]
        self.registry_host, self.registry_port = split_address(tcp[0]) if tcp else (None, None)
        self._redis = None
        return self

    def _ready_line(self, fd):
        line, end = b"", time.monotonic() + START_DEADLINE
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
            part = os.read(fd, 4096) if readable else b""
            if not part:
                self._end()
                status, self.process = self.process.returncode, None
                raise ServerError(f"{' '.join(self.command)}\n"
                                  f"{'ended' if readable else 'was not ready in time'}, status {status}:\n{self.log()}")
            line += part
        return line

    def signal(self, number):
        self.process.send_signal(number)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9: what a crash looks like to the others."""
        self.expected_status = -signal.SIGKILL
        self.signal(signal.SIGKILL)
        self.process.wait(STOP_DEADLINE)

    def stop(self):
        """SIGTERM, and the end must be clean: status 0, no sanitizer report. Repeating it is harmless."""
        if self.process is None:
            return
        if self._redis is not None:
            self._redis.close()
            self._redis = None
        if self.is_running():
            self.signal(signal.SIGCONT)  # a test that failed may have left it stopped
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self._end()
            raise ServerError(f"rollcalld did not end within {STOP_DEADLINE} s of SIGTERM:\n{self.log()}") from None
        log = self.log()
        self.process = None
        reports = [line for line in log.splitlines() if any(mark in line for mark in SANITIZER_MARKS)]
        if reports:
            raise ServerError("sanitizer report:\n" + log)
        if status != self.expected_status:
            raise ServerError(f"rollcalld ended with status {status}, not {self.expected_status}:\n{log}")

    def restart(self):
        self.stop()
        self.expected_status = 0
        return self.start()

    def _end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def clean(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ── files and log ──

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def log(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_log(self, text, count=1, deadline=5.0):
        """Waits until `text` stands in at least `count` lines of the log; returns those lines."""
        def lines():
            found = [line for line in self.log().splitlines() if text in line]
            return found if len(found) >= count else None
        return wait_until(lines, deadline, f"{text!r} in the log")

    # ── clients ──

    def name(self, *labels):
        """name("web") is "web.service.local"."""
        return ".".join([*labels, self.domain])

    def query(self, *args, **kw):
        return self.dns.query(*args, **kw)

    def ask(self, *args, **kw):
        return self.dns.ask(*args, **kw)

    def dns_on(self, text):
        """A DnsClient of the first listener whose address contains `text` ("[::1]", "127.0.0.2")."""
        return DnsClient(next(a for a in self.ready["dns"] if text in a))

    def redis(self, **kw):
        """A new python3-redis client of the protocol's TCP listener."""
        kw = {"decode_responses": True, "socket_timeout": 10, **kw}
        return redis.Redis(host=self.registry_host, port=self.registry_port, **kw)

    def redis_unix(self, **kw):
        return redis.Redis(unix_socket_path=self.unix_path, **{"decode_responses": True, "socket_timeout": 10, **kw})

    def call(self, *args):
        """One command of the protocol, for example call("REGISTER", "web", "10.0.0.1", 80). Errors are exceptions."""
        if self._redis is None:
            self._redis = self.redis()
        return self._redis.execute_command(*args)

    def redis_cli(self, *args, check=True, stdin=None):
        return self._program(["redis-cli", "-h", self.registry_host, "-p", str(self.registry_port)], args, check, stdin)

    def cli(self, *args, check=True, stdin=None, env=None):
        """The `rollcall` client; a CompletedProcess with returncode, stdout and stderr."""
        done = subprocess.run([self.client, "-s", f"{self.registry_host}:{self.registry_port}", *map(str, args)],
                              input=stdin, capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})})
        if check and done.returncode != 0:
            raise AssertionError(f"rollcall {' '.join(map(str, args))} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    @staticmethod
    def _program(command, args, check, stdin):
        done = subprocess.run([*command, *map(str, args)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=30)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout
