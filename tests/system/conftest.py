"""System tests: the built rollcalld with real clients.

`server` makes servers; each test gets its own, on free ports, and its end is checked (status 0, no sanitizer report):

    def test_a_service_is_found(server):
        s = server(options={"dns.ttl": 3})
        s.call("REGISTER", "web", "10.0.0.1", 80)
        assert s.ask("web.service.local", "A") == ["10.0.0.1"]

What a Server can do stands in tests/lib/rollcall_server.py. The programs come from the environment: ROLLCALLD and ROLLCALL,
set by tests/system/run, which `make check` starts.
"""

import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import rollcall_server  # noqa: E402

TEST_SECONDS = 60


def pytest_configure(config):
    # A shell starts what it puts in the background with SIGINT ignored, and programs inherit that: a signal that a test
    # sends would then do nothing. With a handler here, programs start with the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", f"seconds(n): the test may take n seconds (default {TEST_SECONDS})")
    if not os.access(os.environ.get("ROLLCALLD", ""), os.X_OK):
        raise pytest.UsageError("ROLLCALLD must name the built server; run tests/system/run, or make check")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """A bound for each test, fixtures included: a hung server fails its test and nobody else's."""
    marker = item.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def over(_number, _frame):
        pytest.fail(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for s in getattr(item, "rollcall_servers", []) + getattr(item.getparent(pytest.Module), "rollcall_servers", []):
            report.sections.append((f"log of {' '.join(s.command)}", "\n".join(s.log().splitlines()[-40:])))


def server_factory(node):
    servers = node.rollcall_servers = []

    def make(*args, **kw):
        s = rollcall_server.Server(*args, **kw)
        servers.append(s)
        return s.start()

    yield make
    errors = []
    for s in servers:
        try:
            s.stop()
        except rollcall_server.ServerError as error:
            errors.append(str(error))
        s.clean()
    servers.clear()
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


@pytest.fixture
def server(request):
    """Makes servers for one test."""
    yield from server_factory(request.node)


@pytest.fixture(scope="module")
def module_server(request):
    """Makes servers that all tests of a file share: for tests that only read."""
    yield from server_factory(request.node)
