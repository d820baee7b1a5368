"""Waiting for something to become true, never for a fixed time."""

import time


def wait_until(condition, deadline=5.0, what=None):
    """Calls `condition` until it returns something true, and returns that. Fails after `deadline` seconds.

    A sleep that is "long enough" makes a test slow on a good day and wrong on a bad one; a condition with a generous
    deadline is neither. Exceptions of the condition are not swallowed: a broken condition must not look like a slow server.
    """
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            name = what or getattr(condition, "__doc__", None) or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"still not true after {deadline} s: {name} (last value {value!r})")
        time.sleep(0.01)


def stays(condition, seconds, what=None):
    """Fails as soon as `condition` is false within `seconds`: for "must not change meanwhile"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError(f"no longer true: {what or getattr(condition, '__name__', 'the condition')}")
        time.sleep(0.01)
