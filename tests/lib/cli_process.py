"""The `rollcall` client as a process that stays: register --keep, watch, run."""

import os
import signal
import subprocess
import tempfile

from waiting import wait_until

END_DEADLINE = 15.0


class CliProcess:
    """A context manager; what is left at its end is killed. `registry` in place of the server's own address: any -s value."""

    def __init__(self, server, *args, registry=None, env=None):
        self.out = tempfile.NamedTemporaryFile("w+", prefix="rollcall-out-")
        self.err = tempfile.NamedTemporaryFile("w+", prefix="rollcall-err-")
        self.command = [server.client, "-s", registry or f"{server.registry_host}:{server.registry_port}", *map(str, args)]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.err.close()

    @staticmethod
    def _text(file):
        with open(file.name, encoding="utf-8") as f:
            return f.read()

    def stdout(self):
        return self._text(self.out)

    def stderr(self):
        return self._text(self.err)

    def lines(self):
        return self.stdout().splitlines()

    def wait_line(self, text, count=1, deadline=10.0):
        """Waits until `text` stands in `count` lines of the output; the last of them."""
        def found():
            lines = [line for line in self.lines() if text in line]
            return lines[count - 1] if len(lines) >= count else None
        return wait_until(found, deadline, f"{text!r} in the output of {' '.join(self.command)}")

    def wait_error(self, text, deadline=10.0):
        wait_until(lambda: text in self.stderr(), deadline, f"{text!r} in the errors of {' '.join(self.command)}")

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, number=None, deadline=END_DEADLINE):
        """Waits for the end, after a signal if one is given; the exit status."""
        if number is not None:
            self.signal(number)
        return self.process.wait(deadline)

    def terminate(self):
        return self.end(signal.SIGTERM)
