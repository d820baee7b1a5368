"""The section "Answers": a table for each scenario, and the bars."""

from statistics import median

import machine
import report
from answers import CHANGING, MIX_PER_S, PACED, PLAIN
from servers import Gdnsd


def ratios(bench, over, under, figure="us"):
    """Of two series of slices, round by round; empty if one of them was not measured."""
    return [a[figure] / b[figure] for a, b in zip(bench.results.get(over, []), bench.results.get(under, []))]


def faults(slices):
    """Answers that were wrong, questions without one; as a share of all, or "none"."""
    bad, sent = sum(s["wrong"] + s["missing"] for s in slices), sum(s["sent"] for s in slices)
    return "none" if bad == 0 else f"{bad} of {sent:,}"


def size_of(bench, key, name):
    if name == "echo":
        name = "million" if key == "many" else "rollcalld"
    sizes = bench.sizes[key][name].values()
    return " / ".join(sorted({str(most) if least == most else f"{least}-{most}" for least, most in sizes}))


def plain_table(bench, key, row_names):
    head = ("server", "CPU per query, µs", "of that the worker", "queries/s", "busy", "answer, bytes",
            "ratio to the echo", "unanswered or wrong")
    rows = []
    for name in row_names:
        slices = bench.results.get((key, name))
        if slices:
            rows.append((name, report.spread([s["us"] for s in slices]),
                         f"{median(s['worker'] for s in slices):.2f}" if name in ("rollcalld", "million") else "",
                         f"{median(s['qps'] for s in slices):,.0f}",
                         f"{median(s['busy'] for s in slices) * 100:.0f} %",
                         size_of(bench, key, name), report.spread(ratios(bench, (key, name), (key, "echo")), "{:.3f}"),
                         faults(slices)))
    return report.table(head, rows)


def changing_table(bench):
    rows = []
    for key in CHANGING:
        slices = bench.results.get((key, "rollcalld"))
        if slices:
            quiet = CHANGING[key][1]
            rows.append((quiet, f"{median(s['changes'] for s in slices):,.0f}",
                         report.spread([s["worker"] for s in bench.results[quiet, "rollcalld"]]),
                         report.spread([s["worker"] for s in slices]),
                         report.spread(ratios(bench, (key, "rollcalld"), (quiet, "rollcalld"), "worker"), "{:.3f}"),
                         f"{median(s['us'] for s in slices):.2f}", faults(slices)))
    return report.table(("scenario", "requests/s", "worker's CPU per query, µs, quiet", "with changes", "ratio",
                         "with the control thread", "unanswered or wrong"), rows) if rows else None


def paced_table(bench):
    rows = []
    for load in PACED:
        for name in ("echo", *bench.servers):
            slices = bench.results.get((f"paced {load}", name))
            if slices:
                times = [f"{median(s[p] for s in slices):,.0f}" for p in ("p50", "p99", "p999")]
                to_echo = ratios(bench, (f"paced {load}", name), (f"paced {load}", "echo"))
                rows.append((f"{load}: {bench.rates[load]:,}/s", name, report.spread([s["us"] for s in slices]),
                             report.spread(to_echo, "{:.3f}"), *times, faults(slices)))
    return report.table(("load", "server", "CPU per query, µs", "ratio to the echo", "p50, µs", "p99", "p99.9",
                         "unanswered or wrong"), rows) if rows else None


def bars(bench):
    found = report.Bars()

    def add(what, over, under, limit, figure="us"):
        seen = ratios(bench, over, under, figure)
        if seen:
            found.at_most(what, median(seen), limit)

    add("CPU per query, A x 10, to the echo", ("a1", "rollcalld"), ("a1", "echo"), 1.05)
    add("CPU per query, SRV x 10 with additional, to the echo", ("srv1", "rollcalld"), ("srv1", "echo"), 1.05)
    add("CPU per query, A x 10, to gdnsd", ("a1", "rollcalld"), ("a1", "gdnsd"), 1.00)
    services = f"{bench.args.services:,} names to one name"
    add(f"A x 10, {services}", ("a10k", "rollcalld"), ("a1", "rollcalld"), 1.15)
    add(f"SRV x 10, {services}", ("srv10k", "rollcalld"), ("srv1", "rollcalld"), 1.15)
    for key, (_, quiet) in CHANGING.items():
        add(f"worker's CPU, {quiet}, changes to quiet", (key, "rollcalld"), (quiet, "rollcalld"), 1.10, "worker")
    add(f"{bench.args.large * 11:,} names to those of one service", ("many", "million"), ("few", "million"), 1.5)
    return found.text()


def versions():
    peers = [machine.version("gdnsd", "version"), machine.version("knotd", "--version")]
    return ", ".join(filter(None, peers)) or "none"


def text(bench):
    args, parts = bench.args, []
    parts.append(f"Peers: {versions()}. {args.pairs} rounds of {args.seconds} s a slice, {args.window} questions on "
                 "their way from 8 ports, EDNS; medians with quartiles. Server and its helpers on one core, generator on "
                 "another. Busy: CPU time of the server over time passed. Ratios are of two slices of one round."
                 + (f" {Gdnsd.name} {Gdnsd.note}: its SRV answers are smaller." if "gdnsd" in bench.servers else ""))
    parts += bench.skipped
    for key, (what, _, _) in PLAIN.items():
        if (key, "rollcalld") in bench.results:
            parts.append("### " + what.format(services=args.services) + f" (`{key}`)")
            parts.append(plain_table(bench, key, ("echo", *bench.servers)))
    if (changing := changing_table(bench)) is not None:
        parts += [f"### {MIX_PER_S:,} requests a second of the protocol beside: half renewals, half changes", changing]
    if (paced := paced_table(bench)) is not None:
        parts += ["### At a fixed rate, one name; latency from the moment a question was due", paced]
    if ("many", "million") in bench.results:
        parts.append(f"### A of {args.large:,} services and their {args.large * 10:,} instances, at random (`million`)")
        parts.append(plain_table(bench, "many", ("echo", "million")))
        few = bench.results["few", "million"]
        parts.append(f"The eleven names of one service on the same server: {report.spread([s['us'] for s in few])} µs, "
                     f"{median(s['qps'] for s in few):,.0f} queries/s.")
    parts += ["### Bars of the answers", bars(bench)]
    return "\n\n".join(parts)
