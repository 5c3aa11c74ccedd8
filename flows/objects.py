"""Object stores: `s3://BUCKET/PREFIX` and `gs://BUCKET/PREFIX`, through obstore, and what their errors mean.

Credentials, regions and endpoints are those of the environment (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS, ...) or of the machine's role: none is part of a URL, a configuration or a log.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flows.redaction import hidden, is_secret, remember
from state.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ClientConfig, RetryConfig

SCHEMES: Final = ("s3", "gs")
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3")
_OURS: Final = ("AWS_", "GOOGLE_")
_CONNECT_S: Final = 5
_REQUEST_S: Final = 60
"""Of one request, whose body is at most some tens of MiB."""
_AGAIN_S: Final = 10
_NO_CREDENTIALS: Final = "no credentials in the environment, and this machine has no role; see docs/object_stores.md"
_ADVICE: Final = {
    "NoSuchBucket": "there is no such bucket; make it, or correct the URL",
    "http://169.254.169.254": _NO_CREDENTIALS,
    "http://metadata": _NO_CREDENTIALS,
}
"""Part of what obstore says -> what it means."""
_MANY: Final = 1_000
"""Objects that are deleted with one call."""
Tag = dict[str, str]
"""Which version of an object: its ETag, and its generation where the store has one."""


class ObjectsError(CheckpointError):
    """An object store that does not do what it was asked; whether it may pass, nobody knows."""


class MissingObjectError(ObjectsError):
    """No object of this name."""


class ObjectTakenError(ObjectsError):
    """The object is there already, or is not the version that was to be replaced."""


def is_url(text: str) -> bool:
    """Whether it is a URL, and not a path."""
    return _URL.match(text) is not None


def inside(url: str, *names: str) -> str:
    """The URL of something below it."""
    return "/".join((url.rstrip("/"), *names))


class Objects:
    """What lies below a URL.  Names are relative to it, with slashes.  For several threads.

    Every method raises ObjectsError.
    """

    def __init__(self, url: str) -> None:
        """Raises ConfigError for a URL that is none of ours, and where obstore is not installed.  Asks the store
        nothing.
        """
        self.url = _checked(url)
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise ConfigError(
                f'{self.url} needs the package obstore ({error}); install it: pip install "driftnet[objects]"'
            ) from error
        self._obstore: Any = obstore
        for variable, value in os.environ.items():
            if variable.startswith(_OURS) and is_secret(variable):  # should an error of the store repeat one
                remember(value)
        again: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=_AGAIN_S)}
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "timeout": timedelta(seconds=_REQUEST_S),
            "allow_http": any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS),
        }
        with self._told("open"):
            self._store: Any = from_url(self.url, client_options=client, retry_config=again)

    def put(self, name: str, data: bytes | Path, *, instead_of: Tag | None = None, fresh: bool = False) -> Tag:
        """Writes an object, whole or not at all.  instead_of: only where that version is there.  fresh: only where
        there is none.  Raises ObjectTakenError where that is not so.
        """
        mode: PutMode = "create" if fresh else "overwrite"
        if instead_of is not None:
            mode = instead_of  # type: ignore[assignment]
        with self._told(name):
            if fresh or instead_of is not None:
                found = self._obstore.put(self._store, name, data, mode=mode, use_multipart=False)
            else:
                found = self._obstore.put(self._store, name, data)
        return _tag(found)

    def get(self, name: str) -> bytes:
        """Raises MissingObjectError."""
        return self.get_tagged(name)[0]

    def get_tagged(self, name: str) -> tuple[bytes, Tag]:
        """The same, and which version it is."""
        with self._told(name):
            found = self._obstore.get(self._store, name)
            return bytes(found.bytes()), _tag(found.meta)

    def fetch(self, name: str, target: Path) -> None:
        """Into a file, piece by piece.  Raises MissingObjectError."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._told(name):
            found = self._obstore.get(self._store, name)
            with target.open("wb") as file:
                for piece in found.stream():
                    file.write(piece)

    def names(self, below: str = "") -> dict[str, int]:
        """Of all objects, with their sizes in bytes."""
        with self._told(below):
            pages = self._obstore.list(self._store, below or None)
            return {found["path"]: found["size"] for page in pages for found in page}

    def folders(self) -> list[str]:
        """The first parts of names that have several."""
        with self._told(""):
            found = self._obstore.list_with_delimiter(self._store, None)
            return [str(name).rstrip("/") for name in found["common_prefixes"]]

    def delete(self, names: Sequence[str]) -> None:
        """Those that are there."""
        for at in range(0, len(names), _MANY):
            many = list(names[at : at + _MANY])
            with self._told(many[0]):
                try:
                    self._obstore.delete(self._store, many)
                except FileNotFoundError:  # of stores that say so, and stop there
                    for name in many:
                        with suppress(FileNotFoundError):
                            self._obstore.delete(self._store, name)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Errors as ours."""
        from obstore import exceptions as e

        where = inside(self.url, name) if name else self.url
        try:
            yield
        except (e.AlreadyExistsError, e.PreconditionError) as error:
            raise ObjectTakenError(f"{where}: is there already, or was changed by somebody else") from error
        except FileNotFoundError as error:
            if advice := _advice(str(error)):
                raise ObjectsError(f"{where}: {advice}") from error
            raise MissingObjectError(f"{where}: there is no such object") from error
        except (e.PermissionDeniedError, e.UnauthenticatedError) as error:
            raise ObjectsError(
                f"{where}: not allowed ({_said(error)}); the credentials are those of the environment or of the"
                " machine's role: they need to list, read, write and delete below the URL"
            ) from error
        except e.BaseError as error:
            raise ObjectsError(f"{where}: {_advice(str(error)) or _said(error)}") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Rust, which is no Exception: an endpoint that is no URL
                raise
            raise ObjectsError(f"{where}: {_said(error)}; look at {_ENDPOINTS[0]} in the environment") from None


def _advice(text: str) -> str | None:
    return next((advice for part, advice in _ADVICE.items() if part in text), None)


def _tag(found: Any) -> Tag:
    return {name: found[name] for name in ("e_tag", "version") if found.get(name) is not None}


def _said(error: BaseException) -> str:
    """The first line of what obstore says, without what is for its developers."""
    text = str(error).split("\n\nDebug source", maxsplit=1)[0]
    return hidden(" ".join(text.split()))[:400]


def _checked(url: str) -> str:
    allowed = "allowed: s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"seen {hidden(url)!r} ({error}), {allowed}") from None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    names = parts.path.split("/")
    if parts.scheme.lower() not in SCHEMES or not parts.netloc or not plain or {".", ".."} & set(names):
        more = "" if plain else "; credentials and options are taken from the environment"
        raise ConfigError(f"seen {hidden(url)!r}, {allowed}{more}")
    if not url.isprintable() or " " in url:
        raise ConfigError(f"seen {hidden(url)!r}, {allowed}, without blanks")
    return f"{parts.scheme.lower()}://{parts.netloc}/{'/'.join(filter(None, names))}".rstrip("/")


def in_parallel(work: Callable[[Any], object], things: Iterable[Any], threads: int = 8) -> None:
    """Does the work for each, several at a time.  Raises the first error, when all have ended."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads, thread_name_prefix="driftnet-objects") as pool:
        for _ in pool.map(work, things):
            pass
