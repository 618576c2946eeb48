"""A server on this machine that plays TLC: it gives the answers that a test has written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ZONES = b"""\
"LocationID","Borough","Zone","service_zone"
74,"Northside","Old Mill","Green"
75,"Northside","Mill <b>&</b> Pond","Green"
138,"Eastside","Harbour","Yellow"
264,"Unknown","N/A","N/A"
"""  # shaped like TLC's table; the names are made up


@dataclass(frozen=True)
class Answer:
    """What the server says; `promised` bytes, if not those that it sends; or where it leads to."""

    body: bytes = b""
    status: int = 200
    promised: int | None = None
    location: str = ""


class Tlc(ThreadingHTTPServer):
    """Gives each file's answers in turn, the last one for ever; 404 for any other."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Desk)
        self.script, self.asked, self.paths = {}, defaultdict(int), []
        self.url = f"http://127.0.0.1:{self.server_port}/trip-data"

    def gives(self, name, *answers):
        """Write the answers for a file, and forget what was asked before."""
        self.script[name], self.asked[name] = answers, 0

    def __enter__(self):
        self.thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Desk(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        name = self.path.rpartition("/")[2]
        answers = self.server.script.get(name, [Answer(status=404)])
        answer = answers[min(self.server.asked[name], len(answers) - 1)]
        self.server.asked[name] += 1
        self.send_response(answer.status)
        promised = len(answer.body) if answer.promised is None else answer.promised
        self.send_header("Content-Length", str(promised))
        if answer.location:
            self.send_header("Location", answer.location)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        """Say nothing."""
