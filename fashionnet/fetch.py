"""Fetch tables and the photos that they name by web address, trusting neither them nor servers."""

import hashlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.photos import MAXIMUM_BYTES, UnreadablePhotoError, decode

FETCHES_AT_ONCE = 16
FETCHES_A_HOST = 2
MAXIMUM_REDIRECTS = 5
MAXIMUM_ADDRESS = 2000
TRIES = 3
SECONDS_WITHOUT_DATA = 15.0
SECONDS_A_PHOTO = 60.0
SECONDS_BETWEEN_TRIES = 1.0
MAXIMUM_TABLE_BYTES = 256 * 2**20
SECONDS_A_TABLE = 600.0

_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 429, 500, 502, 503, 504)
_SUFFIXES = {b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}
# Addresses of IPv4 in IPv6's clothes, as gateways translate them.
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class _NotFetchedError(Exception):
    """Why a photo could not be fetched; `passing` says that another try may help."""

    def __init__(self, reason: str, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


def is_address(image: str) -> bool:
    """Return whether a manifest's cell is a web address and no path."""
    return image.lower().startswith(("http://", "https://"))


def fetch_photos(
    addresses: Sequence[str],
    folder: Path,
    allow_private: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, Path | str]:
    """Fetch photos into a folder; what is there already is not fetched again.

    At most 16 are fetched at once and 2 from one host; what fails for a passing reason is tried
    3 times. A photo has 64 MiB and a minute at most, and is kept only if it can be decoded.

    Args:
        addresses: http and https addresses.
        folder: where the photos go, each named by its address's SHA-256.
        allow_private: also fetch from addresses that are not public, such as this machine's
            and its network's.
        advance: called with 1 for each address that is done.

    Returns for each address the photo's path, or the reason why there is none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot make {folder}: {(error.strerror or '').lower()}") from error
    here = {path.stem: path for path in folder.iterdir() if not path.name.startswith(".")}
    results: dict[str, Path | str] = {}
    fetcher = _Fetcher(allow_private)
    threads = ThreadPoolExecutor(FETCHES_AT_ONCE)
    try:
        waiting = {}
        for address in dict.fromkeys(addresses):
            name = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
            if name in here:
                results[address] = here[name]
                advance(1)
            else:
                waiting[threads.submit(fetcher.fetch, address, folder / name)] = address
        for future in as_completed(waiting):
            try:
                results[waiting[future]] = future.result()
            except _NotFetchedError as error:
                results[waiting[future]] = str(error)
            advance(1)
    finally:
        threads.shutdown(cancel_futures=True)
    return results


def fetch_table(address: str, place: Path, allow_private: bool = False) -> None:
    """Fetch a table of 256 MiB and ten minutes at most; RequestError where that fails."""
    fetcher = _Fetcher(allow_private, MAXIMUM_TABLE_BYTES, SECONDS_A_TABLE)
    try:
        write_whole(place, fetcher.read(address))
    except _NotFetchedError as error:
        raise RequestError(f"{address}: {error}") from error


class _Fetcher:
    def __init__(
        self, allow_private: bool, maximum_bytes: int | None = None, seconds: float | None = None
    ) -> None:
        self._allow_private = allow_private
        self._maximum_bytes = maximum_bytes or MAXIMUM_BYTES
        self._seconds = seconds or SECONDS_A_PHOTO
        self._context = ssl.create_default_context()
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.Semaphore] = {}

    def fetch(self, address: str, place: Path) -> Path:
        """Fetch one photo to `place` with a suffix; raises _NotFetchedError."""
        data = self.read(address)
        try:
            decode(data)
        except UnreadablePhotoError as error:
            raise _NotFetchedError(f"the address sends no photo: {error}") from error
        suffix = next((s for start, s in _SUFFIXES.items() if data.startswith(start)), ".jpg")
        path = place.with_suffix(suffix)
        write_whole(path, data)
        return path

    def read(self, address: str) -> bytes:
        """Return what an address sends, after several tries; raises _NotFetchedError."""
        for attempt in range(1, TRIES):
            try:
                return self._follow(address)
            except _NotFetchedError as error:
                if not error.passing:
                    raise
                time.sleep(SECONDS_BETWEEN_TRIES * attempt)
        return self._follow(address)

    def _follow(self, address: str) -> bytes:
        for _ in range(MAXIMUM_REDIRECTS + 1):
            parts = _split(address)
            with self._limit(parts.netloc):
                answer = self._request(parts)
            if isinstance(answer, bytes):
                return answer
            try:
                address = urljoin(address, answer)
            except ValueError as error:
                raise _NotFetchedError("redirected to what is not an address") from error
        raise _NotFetchedError(f"redirected more than {MAXIMUM_REDIRECTS} times")

    def _limit(self, host: str) -> threading.Semaphore:
        with self._lock:
            return self._hosts.setdefault(host, threading.Semaphore(FETCHES_A_HOST))

    def _request(self, parts: SplitResult) -> bytes | str:
        """Return what a server sends, or the address that it redirects to."""
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        connection = _Connection(host, port, self._resolve(host, port))
        if secure:
            connection.context = self._context
        # The time-out of the socket alone would let a server send a byte now and then, forever.
        clock = threading.Timer(self._seconds, connection.cut)
        clock.daemon = True
        clock.start()
        try:
            target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
            if parts.query:
                target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
            connection.request(
                "GET",
                target,
                headers={
                    "User-Agent": "FashionNet (curate)",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                },
            )
            answer = _body(connection.getresponse(), self._maximum_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection.was_cut:
                raise _NotFetchedError(self._too_slow()) from error
            if isinstance(error, ssl.SSLCertVerificationError):
                raise _NotFetchedError("its certificate is not valid") from error
            what = str(error) or type(error).__name__
            raise _NotFetchedError(f"no answer: {what}", passing=True) from error
        finally:
            clock.cancel()
            connection.close()
        if connection.was_cut:
            raise _NotFetchedError(self._too_slow())
        return answer

    def _too_slow(self) -> str:
        return f"not done after {self._seconds:g} s"

    def _resolve(self, host: str, port: int) -> str:
        """Return the IP address to connect to, so that what was checked is what is asked."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _NotFetchedError(f"no such host: {host}", passing=True) from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._allow_private and not all(map(is_public, addresses)):
            raise _NotFetchedError(f"{host} is not a public address: allow it with --allow-private")
        return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the open internet.

    >>> is_public("127.0.0.1"), is_public("::ffff:10.0.0.1"), is_public("8.8.8.8")
    (False, False, True)
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _TRANSLATED or ip.sixtofour or ip.teredo:
            return False
        ip = ip.ipv4_mapped or ip
    return ip.is_global and not ip.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to an IP address that was looked up before, under the host's name."""

    context: ssl.SSLContext | None = None
    was_cut = False

    def __init__(self, host: str, port: int, ip: str) -> None:
        super().__init__(host, port, timeout=SECONDS_WITHOUT_DATA)
        self._ip = ip
        self._cuttable: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address that was looked up."""
        self.sock = socket.create_connection((self._ip, self.port), self.timeout)
        if self.context is not None:
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)
        # The connection itself forgets its socket when it hands it to the answer.
        self._cuttable = self.sock

    def cut(self) -> None:
        """End whatever is going on, from another thread."""
        self.was_cut = True
        if self._cuttable is not None:
            with suppress(OSError):
                self._cuttable.shutdown(socket.SHUT_RDWR)


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError as error:
        raise _NotFetchedError("not an address") from error
    if parts.scheme not in ("http", "https"):
        raise _NotFetchedError(
            f"leads to {parts.scheme or 'nothing'}: only http and https are read"
        )
    if not parts.hostname or not port_is_right or len(address) > MAXIMUM_ADDRESS:
        raise _NotFetchedError("not an address")
    if parts.username is not None or parts.password is not None:
        raise _NotFetchedError("an address with a name or a password")
    return parts


def _body(answer: http.client.HTTPResponse, maximum_bytes: int) -> bytes | str:
    if answer.status in _REDIRECTS:
        target = answer.headers.get("Location")
        if not target:
            raise _NotFetchedError("redirected to nowhere")
        return target
    if answer.status != 200:
        passing = answer.status in _PASSING
        raise _NotFetchedError(f"the server says {answer.status}", passing)
    too_long = _NotFetchedError(f"more than {maximum_bytes // 2**20} MiB")
    if answer.length is not None and answer.length > maximum_bytes:
        raise too_long
    parts, size = [], 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > maximum_bytes:
            raise too_long
    if answer.length:
        raise _NotFetchedError("the connection broke off", passing=True)
    return b"".join(parts)
