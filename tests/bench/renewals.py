"""What a renewal costs: RENEW of rollcalld beside SET of redis-server, asked by one client, redis-benchmark: 50
connections, pipelined and not, keys at random. Rounds take turns as in answers.py."""

import contextlib
import shutil
import socket
import subprocess
from statistics import median

import machine
import report
import servers

TITLE = "Renewals"
DEFAULTS = {"pairs": 7, "seconds": 2.0, "services": 300}
QUICK = {"pairs": 1, "seconds": 0.2, "services": 10}
CONNECTIONS = 50
PIPELINES = (64, 1)
FIRST_TRY = 20000  # requests by which a rate is guessed


def client_missing():
    return None if shutil.which("redis-benchmark") else "redis-benchmark: not installed (Debian package redis-tools)"


def register(server, services, patience=60):
    """`services` times `services` instances, named as redis-benchmark's s__rand_int__ and __rand_int__."""
    with socket.create_connection(("127.0.0.1", server.registry), patience) as s, s.makefile("rb") as replies:
        for service in range(services):
            lines = (f"REGISTER s{service:012d} 10.{i >> 8 & 255}.{i & 255}.1 80 ID {i:012d} TTL 24h\r\n"
                     for i in range(services))
            s.sendall("".join(lines).encode())
            for _ in range(services):
                first = replies.readline()
                if first != b"*3\r\n":
                    raise machine.Failure(f"REGISTER: {first.decode()}")
                for _ in range(4):
                    replies.readline()


class Bench:
    def __init__(self, args, folder, progress):
        self.args, self.folder, self.progress = args, folder, progress
        self.servers, self.skipped, self.results, self.renewed = {}, [], {}, 0

    def start(self):
        rollcalld = self.servers["rollcalld"] = servers.Rollcalld(self.args.build)
        register(rollcalld, self.args.services)
        rollcalld.port = rollcalld.registry
        if "redis" not in self.args.servers:
            return
        if (reason := servers.Redis.missing()) is not None:
            self.skipped.append(f"redis: {reason}, skipped")
            self.progress.say(self.skipped[-1])
            return
        self.servers["redis"] = servers.Redis(self.folder)
        self.servers["redis"].wait()

    def command(self, name):
        """Both answer in a few bytes and find one of as many keys."""
        if name == "redis":
            return str(self.args.services ** 2), ["SET", "key:__rand_int__", "30"]
        return str(self.args.services), ["RENEW", "s__rand_int__", "__rand_int__"]

    def benchmark(self, name, pipeline, requests):
        keys, command = self.command(name)
        done = machine.start(["redis-benchmark", "-p", str(self.servers[name].port), "-c", str(CONNECTIONS), "-P",
                              str(pipeline), "-n", str(requests), "-r", keys, "--csv", *command], machine.LOAD_CORE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, errors = done.communicate(timeout=60)
        finally:
            machine.stop(done, 1)
        lines = out.strip().splitlines()
        if done.returncode != 0 or len(lines) < 2:
            raise machine.Failure(f"redis-benchmark of {name}: {errors.strip() or out.strip()}")
        return dict(zip(fields(lines[0]), fields(lines[-1])))

    def slice(self, name, pipeline, requests):
        """The server's CPU time also has that of the connections' beginning and end; they are few."""
        server = self.servers[name]
        before = machine.cpu_seconds(server.pid)
        line = self.benchmark(name, pipeline, requests)
        cpu = machine.cpu_seconds(server.pid) - before
        self.expect_renewals(name, requests)
        return {"rate": float(line["rps"]), "us": cpu * 1e6 / requests, "p99": float(line["p99_latency_ms"])}

    def expect_renewals(self, name, requests):
        """redis-benchmark counts errors as replies; the server knows better. Its last pipelines are always full ones."""
        if name == "rollcalld":
            seen = int(self.servers[name].info()["renews_total"])
            if not requests <= seen - self.renewed < requests + CONNECTIONS * max(PIPELINES):
                raise machine.Failure(f"{seen - self.renewed} renewals, not {requests}")
            self.renewed = seen

    def run(self):
        args = self.args
        self.progress.plan(args.pairs * 4 * args.seconds + 8)
        self.progress.step(f"registering {args.services ** 2:,} instances", 8)
        self.start()
        requests = {(name, p): max(1000, int(self.slice(name, p, FIRST_TRY)["rate"] * args.seconds))
                    for p in PIPELINES for name in self.servers}
        for n in range(args.pairs):
            for pipeline in PIPELINES:
                for name in self.servers:
                    self.progress.step(f"renewals, round {n + 1} of {args.pairs}: {name}, -P {pipeline}", args.seconds)
                    slice_ = self.slice(name, pipeline, requests[name, pipeline])
                    self.results.setdefault((name, pipeline), []).append(slice_)

    def close(self):
        for server in self.servers.values():
            server.stop()


def fields(line):
    return [field.strip('"') for field in line.split(",")]


def text(bench):
    args = bench.args
    parts = [f"Peer: {machine.version('redis-server', '--version') or 'none'}. redis-benchmark with {CONNECTIONS} "
             f"connections; {args.services ** 2:,} instances and as many keys, at random; {args.pairs} rounds of about "
             f"{args.seconds} s a slice, medians with quartiles; server on one core, client on another. Where the server's "
             "CPU per request times the rate is well below one second, the client was the limit.", *bench.skipped]
    rows, bars = [], report.Bars()
    for pipeline in PIPELINES:
        ours = bench.results["rollcalld", pipeline]
        for name, verb in (("redis", "SET"), ("rollcalld", "RENEW")):
            slices = bench.results.get((name, pipeline))
            if slices:
                rows.append((f"-P {pipeline}", f"{name} {verb}", report.spread([s["rate"] for s in slices], "{:,.0f}"),
                             report.spread([s["us"] for s in slices]), f"{median(s['p99'] for s in slices):.2f}"))
        if ("redis", pipeline) in bench.results:
            ratio = median(a["rate"] / b["rate"] for a, b in zip(ours, bench.results["redis", pipeline]))
            bars.at_least(f"RENEW per second to SET, -P {pipeline}", ratio, 1.0)
    parts.append(report.table(("pipeline", "request", "requests/s", "server's CPU per request, µs", "p99, ms"), rows))
    if bars.rows:
        parts += ["### Bars of the renewals", bars.text()]
    return "\n\n".join(parts)


def run(args, folder, progress):
    """The section's text."""
    if (reason := client_missing()) is not None:
        progress.say(f"renewals: {reason}, skipped")
        return f"{reason}; skipped."
    with contextlib.closing(Bench(args, folder, progress)) as bench:
        bench.run()
    return text(bench)
