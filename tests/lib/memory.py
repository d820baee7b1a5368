"""How much memory a server holds, for tests that say how much it may.

    s = server(env=MEASURED)
    before = resident_kb(s.pid)
"""

import os

# AddressSanitizer keeps freed memory back, 256 MB of it unless told otherwise: that is not the server's doing.
MEASURED = {"ASAN_OPTIONS": ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=1"]))}


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


def room_kb(pid, kb):
    """`kb`, as the build of this server takes them: ThreadSanitizer remembers who touched each byte."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return kb * 12 if "libtsan" in maps.read() else kb
