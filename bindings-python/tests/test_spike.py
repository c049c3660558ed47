"""Two devices on a real S3 server: the engine driven by a loop of Python's own, with the standard library's HTTP client.

Needs what `cargo xtask servers versitygw` puts into the environment.
"""

import http.client
import os
import time
from collections import deque
from urllib.parse import urlsplit

import pytest
from tidelock import (
    Change, Collection, Credentials, Engine, Error, Operation, Output, Response, Secret, TransportFailure,
)

NOTES = Collection.Map("notes")
STORE = f"s3://tidelock/python?endpoint={os.environ['TIDELOCK_TEST_VERSITYGW']}"


def now():
    return time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000


class Failed(Exception):
    """An operation ended with an error."""


class Device:
    """An engine, its pages, and the requests that wait for their turn: this loop sends one after the other."""

    def __init__(self, name, pages=()):
        self.pages = {page.id: page for page in pages}
        self.engine = Engine(STORE, name, list(pages), now())
        self.waiting = deque()
        self.finished = {}
        self.durable = 0
        host = urlsplit(os.environ["TIDELOCK_TEST_VERSITYGW"])
        self.connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)

    def write(self, key, text):
        _, commit = self.engine.write([Change.Put(NOTES, key, text.encode())], now())
        self.drain()
        return commit

    def read(self, key):
        record = self.engine.get(NOTES, key)
        return record and record.value.decode()

    def run(self, operation):
        """Runs an operation to its end: what it gives, or `Failed`."""
        op = self.engine.start(operation, now())
        self.drain()
        while op not in self.finished:
            if self.waiting:
                self.send(self.waiting.popleft())
            else:
                due = self.engine.poll_timeout()
                assert due is not None, "nothing is under way and nothing is due"
                time.sleep(max(0, due - now()[0]) / 1000)
                self.engine.handle_timeout(now())
            self.drain()
        end = self.finished.pop(op)
        if isinstance(end, Output.Failed):
            raise Failed(end.error.kind, end.error.text)
        return end

    def drain(self):
        while output := self.engine.poll_output(now()):
            self.take(output)

    def take(self, output):
        match output:
            case Output.Send(request):
                self.waiting.append(request)
            case Output.Abort(id):
                self.waiting = deque(request for request in self.waiting if request.id != id)
            case Output.NeedCredentials():
                keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
                self.engine.handle_credentials(Credentials(*keys, None), now())
            case Output.Persist(commit, pages):
                for page in pages:
                    self.pages[page.id] = page
                    if page.bytes is None:
                        del self.pages[page.id]
                self.engine.handle_persisted(commit, None, now())
            case Output.Stretch(id, request):
                self.engine.handle_stretched(id, request.run(), now())
            case Output.Finished(op=op) | Output.Failed(op=op):
                self.finished[op] = output
            case Output.Durable(commit):
                self.durable = commit
            case Output.Changed() | Output.Progress() | Output.Report():
                pass

    def send(self, request):
        url = urlsplit(request.url)
        try:
            target = url.path + ("?" + url.query if url.query else "")
            self.connection.request(request.method, target, request.body or None, dict(request.headers))
            answer = self.connection.getresponse()
            body = answer.read(request.max_response_bytes + 1)
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.engine.handle_failure(request.id, TransportFailure.Reset(str(error)), now())
            return
        if len(body) > request.max_response_bytes:
            self.connection.close()
            self.engine.handle_failure(request.id, TransportFailure.TooLong(), now())
        else:
            self.engine.handle_response(request.id, Response(answer.status, answer.getheaders(), body), now())


def test_two_devices_keep_a_map_in_step():
    a = Device("a")
    with pytest.raises(Error) as refused:
        a.write("tea", "green")
    assert refused.value.args[0] == "not-found"
    code = a.run(Operation.Create("correct horse")).recovery_code
    assert a.write("tea", "green") == a.durable
    assert a.run(Operation.Sync()).report.ops_published >= 1

    b = Device("b")
    b.run(Operation.Join(Secret.Recovery(code)))
    b.run(Operation.Sync())
    assert b.read("tea") == "green"
    b.write("tea", "black")
    b.write("milk", "none")
    b.run(Operation.Sync())

    # Started again from its pages, then told of the news.
    again = Device("a", a.pages.values())
    assert again.read("tea") == "green"
    again.run(Operation.Sync())
    assert [again.read(key) for key in ("tea", "milk", "sugar")] == ["black", "none", None]

    c = Device("c")
    with pytest.raises(Failed, match="wrong-key"):
        c.run(Operation.Join(Secret.Passphrase("wrong")))
    c.run(Operation.Join(Secret.Passphrase("correct horse")))
