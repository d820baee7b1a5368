"""A million leases: what they weigh, how fast they come, and what all that happens to them does to those who ask DNS.

The server's control thread and the load have one core, its worker and the generator the other, so that what is seen
is what the threads do to each other and not who waits for a core. The generator asks on schedule, for services that
stay as they are throughout, and gives way to the worker."""

import contextlib
import os
import time
from statistics import median

import machine
import names
import report
import servers
from servers import finish, load

TITLE = "Scale"
DEFAULTS = {"services": 100000, "seconds": 15.0}
QUICK = {"services": 200, "seconds": 0.5}
STAYING = 1000          # services that are asked for
ADDRESSES = 8          # of an answer: dns.answer = few
ASK_PER_S = 5000
LEASE = "90s"           # longer than from a registration or renewal here to the next
RENEW_SHARE = 0.03     # of the instances, renewed per second: 30,000 of a million
FLAPS_PER_S = 100
PATIENCE_SECONDS = 120
BYTES_PER_INSTANCE = 500


class Bench:
    def __init__(self, args, folder, progress):
        self.args, self.folder, self.progress = args, folder, progress
        self.count = args.services * names.PER_SERVICE
        self.big = self.count // 20
        self.slice_s, self.grace_s = (0.1, 0.2) if args.quick else (1, 5)
        self.server, self.generators, self.rows, self.facts = None, {}, [], []

    # ── what is asked meanwhile ──

    def start(self):
        begin = time.monotonic()
        self.server = servers.Rollcalld(self.args.build, {"dns.answer": "few",
                                                          "registry.session_grace": f"{self.grace_s * 1000:.0f}ms"})
        self.facts.append(("start, empty", f"{(time.monotonic() - begin) * 1000:.0f} ms"))
        staying = STAYING * names.PER_SERVICE
        finish(self.load("register", self.count, staying, 0, 0, "TTL", "24h"))
        self.generator("staying", range(self.args.services, self.args.services + STAYING))
        worker = machine.busiest_thread(self.server.pid)
        os.sched_setaffinity(worker, {machine.LOAD_CORE})
        self.worker = worker

    def generator(self, key, services, more=(), warm=True):
        path = os.path.join(self.folder, key)
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"{names.service(n)}.{names.DOMAIN} A {ADDRESSES}\n" for n in services)
            f.writelines(f"{line}\n" for line in more)
        self.generators[key] = servers.Generator(self.args.build, path, gives_way=True)
        if warm:
            self.generators[key].warm(self.server)

    def load(self, what, first, count, rate, seconds, *words):
        return load(self.args.build, self.server.registry, what, first, count, rate, seconds, *words,
                    core=machine.SERVER_CORE)

    def ask(self, key):
        return self.generators[key].do("pace", self.server.port, self.slice_s, ASK_PER_S, 1)

    def beside(self, what, is_over, key="staying", at_least=3):
        """Slices of questions, one after the other, until it is over; a row of the table."""
        slices, before, begin = [], machine.cpu_by_thread(self.server.pid), time.monotonic()
        while len(slices) < at_least or not is_over():
            self.progress.step(f"scale: {what}", 1)
            slices.append(self.ask(key))
            if time.monotonic() - begin > PATIENCE_SECONDS:
                raise machine.Failure(f"{what}: not over after {PATIENCE_SECONDS} s")
        took, after = time.monotonic() - begin, machine.cpu_by_thread(self.server.pid)
        cpu = {tid: (t - before.get(tid, 0)) / took for tid, t in after.items()}
        self.rows.append({"what": what, "seconds": took, "slices": slices, "worker": cpu.pop(self.worker),
                          "rest": sum(cpu.values())})
        return slices

    def quiet(self):
        """Two slices more of the first row: what everything else is compared with comes from the whole run."""
        for _ in range(2):
            self.progress.step("scale: nothing else", 1)
            self.rows[0]["slices"].append(self.ask("staying"))

    def beside_load(self, what, process, **kw):
        """The same until a load ends; returns its counts."""
        try:
            self.beside(what, lambda: process.poll() is not None, **kw)
            return finish(process)
        finally:
            machine.stop(process, 1)

    def instances(self):
        return int(self.server.info()["instances"])

    # ── what happens ──

    def fill(self, what, *words):
        counts = self.beside_load(what, self.load("register", 0, self.count, 0, 0, "TTL", LEASE, *words), at_least=1)
        self.facts.append((what, f"{counts['seconds']:.1f} s, {counts['requests'] / counts['seconds']:,.0f}/s"))

    def renewals(self):
        rate = self.count * RENEW_SHARE
        counts = self.beside_load("renewals", self.load("renew", 0, self.count // 2, rate, self.args.seconds))
        self.facts.append(("renewals", f"{counts['requests'] / counts['seconds']:,.0f}/s of {rate:,.0f}/s asked for; the "
                           f"slowest waited {counts['longest_ms']:.0f} ms"))

    def first_questions(self):
        """Names that nobody has asked for yet."""
        self.generator("first", range(self.args.services), warm=False)
        process = self.load("renew", self.count // 2, self.count // 2, self.count * RENEW_SHARE, self.args.seconds)
        self.beside_load("names asked for the first time, and renewals", process, key="first")

    def flapping(self):
        first = self.count + STAYING * names.PER_SERVICE
        counts = finish(self.load("big", first, self.big, 0, 0, "TTL", "24h", "CHECK", '"ttl 1h"'))
        self.facts.append((f"one service of {self.big:,} registers", f"{counts['seconds']:.1f} s"))
        finish(self.load("pass", first, self.big, 0, 0))  # instances start as nobody's until they report
        stay = range(self.args.services, self.args.services + STAYING)
        self.generator("big", stay, [f"big.{names.DOMAIN} A {ADDRESSES}"] * (STAYING // 9))
        process = self.load("flap", first, self.big, FLAPS_PER_S, self.args.seconds)
        counts = self.beside_load(f"one service of {self.big:,} flaps, {FLAPS_PER_S}/s; each tenth question is for it",
                                  process, key="big")
        self.facts.append(("flaps", f"{counts['requests'] / counts['seconds']:,.0f}/s; the slowest waited "
                           f"{counts['longest_ms']:.0f} ms"))

    def expiry(self):
        """All leases get the same end: they belong to a session, and its connection closes."""
        stay = STAYING * names.PER_SERVICE + self.big
        self.fill(f"{self.count:,} register again, as one session", "SESSION")
        begin = time.monotonic()
        self.beside(f"the session ends: {self.count:,} expire at one moment", lambda: self.instances() == stay)
        took = time.monotonic() - begin
        self.facts.append(("expired after the session's end", f"{took:.1f} s, {self.grace_s} of them grace"))
        self.facts.append(("memory after it", f"{machine.rss_bytes(self.server.pid) / 1e6:,.0f} MB"))

    def run(self):
        self.progress.plan(self.args.seconds * 3 + 24 + self.count / 16000)
        self.progress.step("scale: start", 2)
        self.start()
        self.beside("nothing else", lambda: True, at_least=6)
        empty = machine.rss_bytes(self.server.pid)
        self.fill(f"{self.count:,} instances of {self.args.services:,} services register")
        full = machine.rss_bytes(self.server.pid)
        self.weight = (full - empty) / self.count
        self.facts.append(("memory before and after, while nobody asks for them",
                           f"{empty / 1e6:,.0f} MB, {full / 1e6:,.0f} MB: {self.weight:.0f} bytes each"))
        for phase in (self.renewals, self.first_questions, self.flapping, self.expiry):
            self.quiet()
            phase()
        self.quiet()
        self.fill(f"{self.count:,} register once more")
        self.facts.append(("memory then", f"{machine.rss_bytes(self.server.pid) / 1e6:,.0f} MB"))
        begin = time.monotonic()
        self.server.stop()
        self.facts.append((f"stop, with {self.count:,} instances", f"{(time.monotonic() - begin) * 1000:.0f} ms"))

    def close(self):
        for generator in self.generators.values():
            generator.stop()
        if self.server is not None:
            self.server.stop()


def text(bench):
    idle = median(s["p99"] for s in bench.rows[0]["slices"])
    rows = []
    for row in bench.rows:
        slices = row["slices"]
        p99 = [s["p99"] for s in slices]
        bad = sum(s["missing"] + s["wrong"] for s in slices)
        rows.append((row["what"], len(slices), f"{median(s['p50'] for s in slices):,.0f}", f"{median(p99):,.0f}",
                     f"{median(p99) / idle:.2f}", f"{max(p99):,.0f}", f"{max(s['max'] for s in slices):,.0f}",
                     f"{bad} of {sum(s['sent'] for s in slices):,}" if bad else "none",
                     f"{row['rest'] * 100:.0f} %", f"{row['worker'] * 100:.0f} %"))
    bars = report.Bars()
    bars.at_most("memory of a leased instance, bytes", bench.weight, BYTES_PER_INSTANCE, "{:.0f}")
    return "\n\n".join([
        f"{ASK_PER_S:,} questions a second on schedule, for {STAYING:,} services that stay, while something happens to the "
        "others. Control thread and load on one core, worker and generator on the other. Times in µs, of one-second slices.",
        report.table(("meanwhile", "seconds", "p50, median", "p99, median", "to the first row", "p99, worst second",
                      "longest", "unanswered or wrong", "control's CPU", "worker's CPU"), rows),
        report.table(("what", "seen"), bench.facts), "### Bars of the scale", bars.text()])


def run(args, folder, progress):
    """The section's text."""
    with contextlib.closing(Bench(args, folder, progress)) as bench:
        bench.run()
    return text(bench)
