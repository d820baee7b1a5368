"""The machine under the benches: CPU time of processes and threads, cores, versions, and who shows how far a run is."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time

SERVER_CORE, LOAD_CORE = 0, 1


class Failure(Exception):
    """A bench cannot go on; the text says why."""


def choose_cores():
    """The two cores of a run, of those that this process may use."""
    global SERVER_CORE, LOAD_CORE
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failure("the comparison needs two cores: one for the server, one for the load")
    SERVER_CORE, LOAD_CORE = cores[0], cores[1]


def cpu_by_thread(pid):
    """{tid: seconds on a core}, to the nanosecond."""
    times = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                times[int(task)] = int(f.read().split()[0]) / 1e9
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has just ended
    return times


def cpu_seconds(pid):
    return sum(cpu_by_thread(pid).values())


def busiest_thread(pid):
    """Beside the first."""
    return max(((t, tid) for tid, t in cpu_by_thread(pid).items() if tid != pid))[1]


def worker_seconds(before, after, pid):
    """CPU time, between two cpu_by_thread(), of the busiest thread beside the first, which is rollcalld's control thread.
    The server has one worker here."""
    return max((t - before.get(tid, 0.0) for tid, t in after.items() if tid != pid), default=0.0)


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def commit(source):
    """The commit of the source tree, "-dirty" if it has changes beside the results; None outside of git."""
    try:
        done = subprocess.run(["git", "-C", source, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
                              check=True)
        changed = subprocess.run(["git", "-C", source, "status", "--porcelain", "--untracked-files=no"],
                                 capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() + ("-dirty" if any("RESULTS.md" not in line for line in changed) else "")


def describe(source):
    """One paragraph: commit, date, machine."""
    parts = [f"commit {commit(source) or 'unknown'}", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), cpu_model(),
             f"{len(os.sched_getaffinity(0))} cores", f"Linux {platform.release()}"]
    return ", ".join(parts)


def version(command, *args):
    """The first line that a program says of itself, shortened; None if it is not installed."""
    if shutil.which(command) is None:
        return None
    done = subprocess.run([command, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    words = done.stdout.split("\n", 1)[0].replace(",", " ").split()
    number = next((w.lstrip("v=") for w in words if any(c.isdigit() for c in w) and "." in w), "")
    return f"{command} {number}".strip()


class Neighbours:
    """How much of the machine went to others since this was made: a run with busy neighbours says little."""

    def __init__(self):
        self.begin = self._others(), time.monotonic()

    @staticmethod
    def _others():
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, f.readline().split()[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return busy - sum(os.times()[:4]) - sum(cpu_seconds(p.pid) for p in children if p.poll() is None)

    def text(self):
        others, at = self._others(), time.monotonic()
        share = max(0.0, (others - self.begin[0]) / (at - self.begin[1]) / os.cpu_count())
        return f"Other processes had {share * 100:.0f} % of the machine meanwhile."


children = []


def start(command, core=None, **kw):
    """A child on one core that ends with this process, whatever happens to it."""
    prefix = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    if core is not None:
        prefix += ["taskset", "-c", str(core)]
    children.append(subprocess.Popen([*prefix, *command], **kw))
    return children[-1]


def stop(process, patience=30):
    """SIGTERM, then SIGKILL. Harmless if it has ended."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_json(command, core=None, patience=180):
    """The JSON that a tool prints; one that fails says why on standard error."""
    process = start(command, core, stdout=subprocess.PIPE, text=True)
    try:
        out, _ = process.communicate(timeout=patience)
    finally:
        stop(process, 1)
    try:
        return json.loads(out)
    except json.JSONDecodeError:
        raise Failure(f"{' '.join(command)} ended with {process.returncode}") from None


class Progress:
    """What is going on, on standard error, with the seconds that are left: steps are expected to take what they say."""

    def __init__(self, out=sys.stderr):
        self.out, self.left = out, 0.0
        self.in_place = out.isatty()

    def plan(self, seconds):
        self.left += seconds

    def step(self, text, seconds=0.0):
        """`seconds`: what this step takes of the plan."""
        line = f"{text} ... about {max(self.left, 0):.0f} s left"
        if self.in_place:
            print(f"\r{line[:118]:<118}", end="", file=self.out, flush=True)
        else:
            print(line, file=self.out, flush=True)
        self.left -= seconds

    def say(self, text):
        """A line that stays."""
        print(f"\r{'':<118}\r{text}" if self.in_place else text, file=self.out, flush=True)
