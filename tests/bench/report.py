"""Tables, bars, and the file of results: one section for each bench, replaced by name when that bench runs again."""

import os
import re
import statistics

HEAD = """# What an answer, a renewal, a check and a million leases cost

Written by `make bench` (answers, renewals), `make bench-checks` and `make bench-scale`; each replaces its own sections.
How it is measured, and why so: [docs/decisions/130](../../docs/decisions/130-a-bench-that-anybody-can-run.md).
"""
ORDER = ("Answers", "Renewals", "Checks", "Scale")


def quartiles(values):
    """(lower quartile, median, upper quartile)"""
    if len(values) < 2:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def spread(values, form="{:.2f}"):
    """The median with its quartiles, as a cell."""
    low, middle, high = quartiles(values)
    return f"{form.format(middle)} ({form.format(low)} to {form.format(high)})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


class Bars:
    """What the project promises of its speed, and what was seen."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, seen, limit, form="{:.3f}"):
        self._add(what, seen, limit, form, "at most", seen <= limit)

    def at_least(self, what, seen, limit, form="{:.3f}"):
        self._add(what, seen, limit, form, "at least", seen >= limit)

    def _add(self, what, seen, limit, form, word, met):
        self.rows.append((what, form.format(seen), f"{word} {form.format(limit)}", "met" if met else "**not met**"))

    def text(self):
        return table(("bar", "seen", "wanted", ""), self.rows) if self.rows else ""


def write_section(path, title, text):
    """Replaces the section `title` of the file, or adds it; the others stay as they are."""
    sections = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            parts = re.split(r"^## (.+)$", f.read(), flags=re.MULTILINE)
        sections = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2])}
    sections[title] = text.strip()
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(HEAD)
        for name in ORDER:
            if name in sections:
                f.write(f"\n## {name}\n\n{sections[name]}\n")
    os.replace(path + ".new", path)
