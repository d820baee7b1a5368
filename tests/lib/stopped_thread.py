"""One thread of a program held still while the others go on: what a debugger, or a page on a slow disk, does to it.

    with StoppedThread(tid) as t:
        t.to_next_call()    # runs until it enters or leaves its next system call; then it stands still again

Needs the right to trace (ptrace), which the parent of a program has unless the system forbids it: `StoppedThread.why_not()`.
"""

import ctypes
import os
import time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000


def _ptrace(request, tid):
    if _libc.ptrace(request, tid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}): {os.strerror(number)}")


def threads(pid, name):
    """The threads of a program that have that name."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as f:
            if f.read().strip() == name:
                found.append(int(tid))
    return sorted(found)


class StoppedThread:
    def __init__(self, tid):
        self.tid = tid
        self.is_held = False

    @staticmethod
    def why_not(pid):
        """None if threads of `pid` can be held still, or why not."""
        try:
            with StoppedThread(pid):
                return None
        except OSError as error:
            return f"threads cannot be traced here: {error}"

    def __enter__(self):
        _ptrace(PTRACE_SEIZE, self.tid)
        _ptrace(PTRACE_INTERRUPT, self.tid)
        self.is_held = True
        self._wait(None)
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        """It goes on as if nothing had been. Repeating it is harmless."""
        if self.is_held:
            _ptrace(PTRACE_DETACH, self.tid)
        self.is_held = False

    def to_next_call(self, deadline=5.0):
        """False: it came to none in time; then it has been stopped where it was."""
        _ptrace(PTRACE_SYSCALL, self.tid)
        if self._wait(time.monotonic() + deadline):
            return True
        _ptrace(PTRACE_INTERRUPT, self.tid)
        self._wait(None)
        return False

    def _wait(self, end):
        while end is None or time.monotonic() < end:
            tid, status = os.waitpid(self.tid, WALL | (os.WNOHANG if end is not None else 0))
            if tid == self.tid:
                assert os.WIFSTOPPED(status), f"the thread has ended, status {status:#x}"
                return True
            time.sleep(0.001)
        return False
