"""What health checks look at, in the process of the test: an HTTP(S) server whose answer a test can change, a bare TCP
listener, and the reading of LIST."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HttpTarget:
    """Answers every GET with `status`. Counts requests by status, connections, and how many requests ran at the same time."""

    def __init__(self, address="127.0.0.1", certificate=None):
        self.address = address
        self.certificate = certificate  # (certificate file, key file)
        self.status = 200
        self.delay = threading.Event()  # waited for up to `delay_s` before each answer
        self.delay_s = 0
        self.counts = {}
        self.connections = 0
        self.paths = []
        self.running = self.peak = 0
        self._lock = threading.Lock()
        self._server = None
        self.port = 0

    def start(self):
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                with target._lock:
                    target.connections += 1
                    target._sockets.add(self.request)
                super().setup()

            def finish(self):
                with target._lock:
                    target._sockets.discard(self.request)
                try:
                    super().finish()
                except OSError:
                    pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass

            def do_GET(self):
                target._answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass  # probes that time out leave broken pipes

        self._sockets = set()
        self._server = Server((self.address, self.port), Handler)
        self.port = self._server.server_address[1]
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def _answer(self, handler):
        with self._lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
            self.paths.append(handler.path)
        if self.delay_s:
            self.delay.wait(self.delay_s)
        with self._lock:
            status = self.status
            self.counts[status] = self.counts.get(status, 0) + 1
            self.running -= 1
        handler.send_response(status)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    def stop(self):
        """As if the program had been killed: nobody listens, open connections are cut. start() brings it back."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for s in self._sockets:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def pairs(reply):
    """A RESP2 map (a flat list) as a dict."""
    return dict(zip(reply[::2], reply[1::2])) if isinstance(reply, list) else reply


def instance(server, service, id):
    """What LIST says about one instance, as a dict; `checks` is a list of dicts. None if it is not registered."""
    for entry in map(pairs, server.call("LIST", service)):
        if entry["id"] == id:
            entry["checks"] = [pairs(c) for c in entry["checks"]]
            return entry
    return None


def state(server, service, id):
    found = instance(server, service, id)
    return found["state"] if found else None


def check(server, service, id, index=0):
    """(status, output) of one check."""
    found = instance(server, service, id)["checks"][index]
    return found["status"], found["output"]
