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
