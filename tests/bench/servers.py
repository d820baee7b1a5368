"""The servers that are compared, each on the server's core: start, wait until it answers, stop."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import machine
import names

READY_SECONDS = 30


def free_port():
    """For servers that cannot say which port they took."""
    with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


def wait_for(what, condition, seconds=READY_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise machine.Failure(f"{what} does not answer within {seconds} s")
        time.sleep(0.05)


class Server:
    """Attributes: name, pid, port (of DNS or of its protocol), note (what sets its answers apart, or None)."""
    name = note = process = port = None

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process is not None:
            machine.stop(self.process)


class Rollcalld(Server):
    """The server under test; `registry` is the port of its protocol."""
    name = "rollcalld"

    def __init__(self, build, options=None):
        read_end, write_end = os.pipe()
        wanted = {"server.log_level": "error", "server.workers": 1, "dns.answer": "all",
                  "registry.max_services": 1000000, "registry.max_instances": 1000000, **(options or {})}
        command = [os.path.join(build, "rollcalld"), "--dev", "--dns", "127.0.0.1:0", "--registry", "127.0.0.1:0"]
        for key, value in wanted.items():
            command += ["-o", f"{key}={value}"]
        self.process = machine.start([*command, "--ready-fd", str(write_end)], machine.SERVER_CORE, pass_fds=[write_end])
        os.close(write_end)
        with os.fdopen(read_end) as f:
            line = f.readline()
        if not line:
            raise machine.Failure("rollcalld did not start")
        ready = json.loads(line)
        self.port = int(ready["dns"][0].rsplit(":", 1)[1])
        self.registry = int(ready["registry"][0].rsplit(":", 1)[1])

    def call(self, line):
        """The first bytes of the reply to one inline request."""
        with socket.create_connection(("127.0.0.1", self.registry), 30) as s:
            s.sendall(line.encode() + b"\r\n")
            return s.recv(65536).decode()

    def info(self):
        """INFO as {name: text}."""
        with socket.create_connection(("127.0.0.1", self.registry), 30) as s, s.makefile("rb") as f:
            s.sendall(b"INFO\r\n")
            size = int(f.readline()[1:])
            lines = f.read(size).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


class Echo(Server):
    """`sizes`: {bytes of the question: bytes of the answer}."""
    name = "echo"

    def __init__(self, build, sizes, seconds):
        self.process = machine.start([os.path.join(build, "tests/bench/echo"), str(int(seconds)),
                                      *(f"{length}:{size}" for length, size in sizes.items())],
                                     machine.SERVER_CORE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        super().stop()
        self.process.stdout.close()


class Gdnsd(Server):
    name = "gdnsd"
    note = "gives no additional records"

    @staticmethod
    def missing():
        if shutil.which("gdnsd") is None:
            return "not installed (Debian package gdnsd)"
        return None if os.geteuid() == 0 else "has to be started by root"

    def __init__(self, folder, zone):
        folder = os.path.join(folder, "gdnsd")
        for sub in ("", "zones", "run", "state"):
            os.mkdir(os.path.join(folder, sub))
        os.symlink(zone, os.path.join(folder, "zones", names.DOMAIN))
        self.port = free_port()
        with open(os.path.join(folder, "config"), "w", encoding="ascii") as f:
            f.write(f"options => {{ listen => [ 127.0.0.1:{self.port} ], udp_threads => 1, tcp_threads => 1,\n"
                    f"  run_dir => {folder}/run, state_dir => {folder}/state }}\n")
        self.process = machine.start(["gdnsd", "-c", folder, "start"], machine.SERVER_CORE, stderr=subprocess.DEVNULL)


class Knot(Server):
    name = "knot"

    @staticmethod
    def missing():
        return None if shutil.which("knotd") else "not installed (Debian package knot)"

    def __init__(self, folder, zone):
        folder = os.path.join(folder, "knot")
        os.mkdir(folder)
        self.port = free_port()
        path = os.path.join(folder, "knot.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"server:\n  listen: 127.0.0.1@{self.port}\n  rundir: {folder}\n"
                    "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n  answer-rotation: on\n"
                    f"database:\n  storage: {folder}\nlog:\n  - target: stderr\n    any: error\n"
                    f"zone:\n  - domain: {names.DOMAIN}\n    file: {zone}\n    journal-content: none\n"
                    "    zonefile-load: whole\n    zonefile-sync: -1\n")
        self.process = machine.start(["knotd", "-c", path], machine.SERVER_CORE, stderr=subprocess.DEVNULL)


class Redis(Server):
    name = "redis"

    @staticmethod
    def missing():
        return None if shutil.which("redis-server") else "not installed (Debian package redis-server)"

    def __init__(self, folder):
        self.port = free_port()
        self.process = machine.start(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                      "--appendonly", "no", "--dir", folder, "--daemonize", "no"],
                                     machine.SERVER_CORE, stdout=subprocess.DEVNULL)

    def wait(self):
        def answers():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    s.sendall(b"PING\r\n")
                    return s.recv(64).startswith(b"+PONG")
            except OSError:
                return False
        wait_for(self.name, answers)


class Generator:
    """tests/bench/generator on the load's core; `names_path` is its list of names. `gives_way`: it shares the core with
    a server that needs little of it, and runs only while nobody else wants to. It spins all the same: a core that
    sleeps between two questions takes long to wake up, on a virtual machine up to milliseconds."""

    def __init__(self, build, names_path, gives_way=False):
        self.process = machine.start([os.path.join(build, "tests/bench/generator"), names_path], machine.LOAD_CORE,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if gives_way:
            os.sched_setscheduler(self.process.pid, os.SCHED_IDLE, os.sched_param(0))

    def do(self, *words):
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise machine.Failure(f"the generator ended with {self.process.wait()}")
        return json.loads(line)

    def warm(self, server, patience=READY_SECONDS):
        """Asks each name until it is answered: a server may still be loading, or build names on demand."""
        end = time.monotonic() + patience
        while True:
            result = self.do("warm", server.port)
            if result["unanswered"] == 0:
                return {int(k): v for k, v in result["sizes"].items()}
            if time.monotonic() > end:
                raise machine.Failure(f"{server.name}: {result['unanswered']} of {result['names']} names are not "
                                      "answered as they should")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def load(build, port, what, first, count, rate, seconds, *words, core=None):
    """Starts tests/bench/load; finish() waits for it."""
    return machine.start([os.path.join(build, "tests/bench/load"), str(port), what, str(first), str(count), str(rate),
                          str(seconds), *map(str, words)],
                         machine.LOAD_CORE if core is None else core, stdout=subprocess.PIPE, text=True)


def finish(process, may_fail=False):
    """The counts of a load. An error of the server is a failure of the bench, unless it may be."""
    try:
        out, _ = process.communicate()
    finally:
        machine.stop(process, 1)
    counts = json.loads(out) if out else {"errors": 1, "first_error": f"status {process.returncode}"}
    if counts["errors"] and not may_fail:
        raise machine.Failure(f"load: {counts['errors']} errors, the first: {counts['first_error']}")
    return counts
