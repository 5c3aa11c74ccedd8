"""A server that speaks S3, which tests start, and may stop and start again: it has its objects in memory."""

import logging
from dataclasses import dataclass
from threading import Thread
from urllib.request import Request, urlopen

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from flows.objects import Objects

SECRET = "not-a-secret-of-anybody"


class S3:
    """On a port that stays the same."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._port = 0
        self._server: BaseWSGIServer | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Does nothing where it is at work."""
        if self._server is None:
            self._server = make_server("127.0.0.1", self._port, self._app, threaded=True)
            self._port = self._server.server_port
            Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Who asks it is refused from here on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def make(self, bucket: str) -> None:
        with urlopen(Request(f"http://127.0.0.1:{self._port}/{bucket}", method="PUT")) as answer:
            assert answer.status == 200


@dataclass(frozen=True)
class Bucket:
    name: str

    def url(self, *names: str) -> str:
        return "/".join((f"s3://{self.name}", *names))

    def objects(self, *names: str) -> Objects:
        return Objects(self.url(*names))
