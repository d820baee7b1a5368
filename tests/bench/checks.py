"""10,000 HTTP checks every ten seconds: do they start in time, is none left out, and what do they cost? The targets
are as many addresses of the loopback network, behind one program that keeps connections open (tests/bench/target)."""

import os
import subprocess
import time

import machine
import report
import servers

TITLE = "Checks"
DEFAULTS = {"seconds": 60.0, "services": 1000}
QUICK = {"seconds": 1.0, "services": 5}
LATE_MS = 200      # the bar: 99 of 100 start within it
SETTLE_SECONDS = 120


class Target:
    def __init__(self, build):
        self.process = machine.start([os.path.join(build, "tests/bench/target")], machine.LOAD_CORE,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.port = int(self.process.stdout.readline())
        self.connections = self.requests = None

    def stop(self):
        """It says at its end what it saw."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.connections, self.requests = map(int, self.process.stdout.readline().split())
        machine.stop(self.process)
        self.process.stdout.close()


def late_steps(info):
    """The limits that the server counts late starts by, in ms."""
    prefix, suffix = "probes_later_than_", "ms"
    return [int(key[len(prefix):-len(suffix)]) for key in info if key.startswith(prefix)]


def settle(server, count, interval_s, progress):
    """Until each has had its first check, and one interval more: they begin as fast as they register, all at once."""
    progress.step("the first check of each", 2 * interval_s)
    servers.wait_for("the first check of each", lambda: int(server.info()["state_passing"]) == count, SETTLE_SECONDS)
    time.sleep(interval_s)


def measure(args, folder, progress):
    del folder
    count, interval_s = args.services * 10, 1 if args.quick else 10
    target, server = Target(args.build), None
    progress.plan(args.seconds + 2 * interval_s)
    try:
        server = servers.Rollcalld(args.build)
        check = f'"http://:{target.port}/ interval={interval_s}s timeout=2s"'
        servers.finish(servers.load(args.build, server.registry, "target", 0, count, 0, 0, target.port, "TTL", "24h",
                                    "CHECK", check))
        settle(server, count, interval_s, progress)
        before, cpu = server.info(), machine.cpu_seconds(server.pid)
        start = time.monotonic()
        while (left := start + args.seconds - time.monotonic()) > 0:
            progress.step(f"{count:,} checks every {interval_s} s", min(5, left))
            time.sleep(min(5, left))
        after, took = server.info(), time.monotonic() - start
        cpu = machine.cpu_seconds(server.pid) - cpu
    finally:
        if server is not None:
            server.stop()
        target.stop()
    grown = {key: int(after[key]) - int(before[key]) for key in after
             if key.startswith("probes_") and after[key].lstrip("-").isdigit()}
    state = {key: int(after[key]) for key in ("state_passing", "state_critical", "probes_late_max_ms")}
    return {"count": count, "interval": interval_s, "seconds": took, "cpu": cpu / took, "grown": grown, "state": state,
            "steps": late_steps(after), "connections": target.connections, "requests": target.requests,
            "total": int(after["probes_started"])}


def text(seen):
    grown, started = seen["grown"], max(1, seen["grown"]["probes_started"])
    late = [f"{grown[f'probes_later_than_{ms}ms'] * 100 / started:.3f} %" for ms in seen["steps"]]
    share = grown[f"probes_later_than_{LATE_MS}ms"] * 100 / started
    each = seen["count"] * seen["seconds"] / seen["interval"]
    bars = report.Bars()
    bars.at_most(f"checks that start more than {LATE_MS} ms late, in percent (p99)", share, 1.0)
    bars.at_most("checks left out", grown["probes_skipped"], 0, "{:.0f}")
    bars.at_most("CPU, in cores", seen["cpu"], 0.5)
    return "\n\n".join([
        f"{seen['count']:,} instances with an http check every {seen['interval']} s, each at an address of its own that "
        f"keeps connections open; {seen['seconds']:.0f} s, after the first check of each. The server has one core, the "
        "targets another.",
        report.table(("started", "of a nominal", *(f"later than {ms} ms" for ms in seen["steps"]), "latest since start",
                      "left out", "server's CPU", "CPU per check"),
                     [(f"{started:,}", f"{each:,.0f}", *late, f"{seen['state']['probes_late_max_ms']} ms",
                       grown["probes_skipped"], f"{seen['cpu'] * 100:.1f} % of a core",
                       f"{seen['cpu'] * seen['seconds'] * 1e6 / started:.1f} µs")]),
        f"Passing at the end: {seen['state']['state_passing']:,}, critical: {seen['state']['state_critical']}. The "
        f"targets saw {seen['requests']:,} requests for {seen['total']:,} checks, on {seen['connections']:,} connections.",
        "### Bars of the checks", bars.text()])


def run(args, folder, progress):
    """The section's text."""
    return text(measure(args, folder, progress))
