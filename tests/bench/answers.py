"""What an answer costs: CPU time of the server per answered question, beside a bare echo of datagrams of the same
sizes and beside other servers with the same records.

All servers run at the same time, each on the server's core; one slice after the other is measured, every scenario and
every server once in a round, so that what else the machine does hits all of them. Ratios are those of two slices of
one round; what is reported is the median of the rounds."""

import contextlib
import os
import time
from functools import partial

import machine
import names
import servers
from servers import finish, load

TITLE = "Answers"
SPREAD_ASIDE = 0.25  # seconds that changes go on before and after what is measured beside them
MIX_PER_S = 20000    # half of them renewals, half changes: replacements, arrivals, departures

# key: (what, type, one name or all services)
PLAIN = {
    "a1": ("A x 10, one name", "A", "one"),
    "srv1": ("SRV x 10 with additional addresses, one name", "SRV", "one"),
    "a10k": ("A x 10, {services:,} names at random", "A", "all"),
    "srv10k": ("SRV x 10 with additional addresses, {services:,} names at random", "SRV", "all"),
}
# key: (what, plain scenario)
CHANGING = {
    "a1-changes": ("A x 10, one name, while 10,000 instances change and 10,000 leases are renewed per second", "a1"),
    "a10k-changes": ("A x 10, names at random, while 10,000 instances change and 10,000 leases are renewed per second",
                     "a10k"),
}
PACED = {f"{key}, {share} %": (key, share) for key in ("a1", "srv1") for share in (5, 50)}  # of saturation
DEFAULTS = {"pairs": 31, "seconds": 0.25, "services": 10000, "large": 100000}
QUICK = {"pairs": 1, "seconds": 0.2, "services": 50, "large": 100}
SCENARIOS = [*PLAIN, *CHANGING, "paced", "million"]


class Bench:
    def __init__(self, args, folder, progress):
        self.args, self.folder, self.progress = args, folder, progress
        self.open, self.servers, self.generators, self.echoes = [], {}, {}, {}
        self.sizes = {}  # scenario -> server -> {question: answer}
        self.skipped = []
        self.results = {}  # (scenario, server) -> [slice]
        self.rates = {}

    def wants(self, key):
        return not self.args.only or key in self.args.only

    def keep(self, server):
        self.open.append(server)
        return server

    def close(self):
        for thing in reversed(self.open):
            thing.stop()

    # ── servers ──

    def start_servers(self):
        zone = os.path.join(self.folder, "zone")
        names.write_zone(zone, self.args.services)
        for kind in (servers.Gdnsd, servers.Knot):
            if kind.name not in self.args.servers:
                continue
            reason = kind.missing()
            if reason:
                self.skipped.append(f"{kind.name}: {reason}, skipped")
                self.progress.say(self.skipped[-1])
            else:
                self.servers[kind.name] = self.keep(kind(self.folder, zone))
        self.servers["rollcalld"] = self.register(self.args.services)

    def register(self, services):
        self.progress.step(f"registering {services * names.PER_SERVICE:,} instances", services / 20000)
        server = self.keep(servers.Rollcalld(self.args.build))
        finish(load(self.args.build, server.registry, "register", 0, services * names.PER_SERVICE, 0, 0, "TTL", "24h"))
        return server

    def start_plain(self, key):
        """Generator, echo and sizes of a scenario; all servers know its names afterwards."""
        what, kind, which = PLAIN[key]
        path = os.path.join(self.folder, key)
        names.write_services(path, 1 if which == "one" else self.args.services, [kind])
        self.progress.step(f"{key}: every name is asked once", 1)
        generator = self.generators[key] = self.keep(servers.Generator(self.args.build, path))
        self.sizes[key] = {name: generator.warm(server) for name, server in self.servers.items()}
        self.echoes[key] = self.keep(self.echo(self.sizes[key]["rollcalld"]))

    def echo(self, sizes):
        return servers.Echo(self.args.build, {length: most for length, (_, most) in sizes.items()}, 3600)

    def start_million(self):
        """A server of its own with ten times the services: every name of it, against those of one service."""
        self.servers["million"] = server = self.register(self.args.large)
        for key, count in (("few", 1), ("many", self.args.large)):
            path = os.path.join(self.folder, key)
            names.write_everything(path, count)
            self.progress.step(f"{count * 11:,} names are asked once", count / 5000)
            self.generators[key] = self.keep(servers.Generator(self.args.build, path))
            sizes = self.generators[key].warm(server, 120)
        self.echoes["many"] = self.keep(self.echo(sizes))
        self.sizes["many"] = {"million": sizes}

    # ── slices ──

    def measure(self, server, begin):
        """One slice: what `begin` starts, and the CPU time of the server meanwhile."""
        before = machine.cpu_by_thread(server.pid)
        counts = begin()
        after = machine.cpu_by_thread(server.pid)
        if counts["all_answers"] == 0:
            raise machine.Failure(f"{server.name} answered nothing")
        total = sum(after.values()) - sum(before.get(t, 0.0) for t in after)
        answers = counts["all_answers"]
        return {**counts, "us": total * 1e6 / answers, "qps": counts["answers"] / counts["seconds"],
                "worker": machine.worker_seconds(before, after, server.pid) * 1e6 / answers,
                "busy": total / counts["seconds"]}

    def saturate(self, key, name, server, generator):
        slice_ = self.measure(server, lambda: self.generators[generator].do(
            "saturate", server.port, self.args.seconds, self.args.window, int(name != "echo")))
        self.results.setdefault((key, name), []).append(slice_)

    def changing(self, key):
        """A slice beside changes: they begin before it and end after it."""
        server = self.servers["rollcalld"]
        count = self.args.services * names.PER_SERVICE
        mix = load(self.args.build, server.registry, "mix", 0, count, MIX_PER_S, self.args.seconds + 2 * SPREAD_ASIDE,
                   "TTL", "24h")
        try:
            time.sleep(SPREAD_ASIDE)
            self.saturate(key, "rollcalld", server, CHANGING[key][1])
            counts = finish(mix)
        finally:
            machine.stop(mix, 0)
        self.results[key, "rollcalld"][-1]["changes"] = counts["requests"] / counts["seconds"]

    def paced(self, name):
        for pace, (key, _) in PACED.items():
            server = self.echoes[key] if name == "echo" else self.servers[name]
            self.progress.step(f"{self.where}: paced, {pace}, {name}", self.args.seconds + 0.02)
            ask = partial(self.generators[key].do, "pace", server.port, self.args.seconds, self.rates[pace])
            counts = self.measure(server, partial(ask, int(name != "echo")))
            self.results.setdefault((f"paced {pace}", name), []).append(counts)

    def set_rates(self):
        """Shares of what rollcalld answers at most, rounded: the same for all servers in all rounds."""
        server = self.servers["rollcalld"]
        for pace, (key, share) in PACED.items():
            seen = self.generators[key].do("saturate", server.port, self.args.seconds, self.args.window, 1)
            full = seen["answers"] / seen["seconds"]
            self.rates[pace] = max(100, round(full * share / 10000) * 100)

    # ── rounds ──

    def prepare(self):
        args = self.args
        quiet = [CHANGING[key][1] for key in filter(self.wants, CHANGING)]
        plain = [key for key in PLAIN if self.wants(key) or key in quiet]
        if self.wants("paced"):
            plain += [key for key in dict.fromkeys(key for key, _ in PACED.values()) if key not in plain]
        slices = len(plain) * (len(args.servers)) + sum(self.wants(c) for c in CHANGING)
        slices += len(PACED) * len(args.servers) * self.wants("paced") + 3 * self.wants("million")
        self.progress.plan(args.pairs * slices * (args.seconds + 0.02) + len(plain) + args.services / 20000)
        if self.wants("million"):
            self.progress.plan(args.large / 20000 + args.large / 5000)
        if plain:
            self.start_servers()
        for key in plain:
            self.start_plain(key)
        if self.wants("million"):
            self.start_million()
        if self.wants("paced"):
            self.set_rates()
        return plain

    def round(self, plain):
        cost = self.args.seconds + 0.02
        for key in plain:
            for name, server in [("echo", self.echoes[key]), *self.servers.items()]:
                if name != "million":
                    self.progress.step(f"{self.where}: {key}, {name}", cost)
                    self.saturate(key, name, server, key)
        for key in filter(self.wants, CHANGING):
            self.progress.step(f"{self.where}: {key}", cost)
            self.changing(key)
        if self.wants("paced"):
            for name in ("echo", *self.servers):
                if name != "million":
                    self.paced(name)
        if self.wants("million"):
            million = self.servers["million"]
            for key, name, server in (("few", "million", million), ("many", "million", million),
                                      ("many", "echo", self.echoes["many"])):
                self.progress.step(f"{self.where}: {key} names, {name}", cost)
                self.saturate(key, name, server, key)

    def run(self):
        plain = self.prepare()
        for n in range(self.args.pairs):
            self.where = f"answers, round {n + 1} of {self.args.pairs}"
            self.round(plain)


def run(args, folder, progress):
    """The section's text."""
    import answers_report
    with contextlib.closing(Bench(args, folder, progress)) as bench:
        bench.run()
    return answers_report.text(bench)
