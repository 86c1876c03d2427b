"""One WebSocket with deadlines, over whichever API the installed `websockets` has."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Optional, Union

import websockets

from .codec import pack, unpack


class ConnectionLost(ConnectionError):
    """The connection could not be made, or is gone."""


class RemoteError(RuntimeError):
    """The other side refused or failed; `code` is its stable name for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"[{code}] {message}" if not message.startswith(f"[{code}]") else message)
        self.code = code


class Connection:
    """Sends and receives messages; every wait has a deadline in seconds."""

    def __init__(self, url: str, token: Optional[str] = None, timeout: float = 5.0) -> None:
        headers = {"Authorization": f"Api-Key {token}"} if token else {}
        try:
            self._socket = _open(url, headers, timeout)
        except websockets.exceptions.InvalidHandshake as error:
            if _status(error) in (401, 403):
                raise RemoteError("UNAUTHORIZED", f"{url} refused: {error}") from error
            raise ConnectionLost(f"{url}: {error}") from error
        except (OSError, asyncio.TimeoutError, TimeoutError, websockets.exceptions.WebSocketException) as error:
            raise ConnectionLost(f"{url}: {error}") from error

    def send(self, message: Any) -> None:
        """Send a message, packed already if it is bytes. Raises ConnectionLost."""
        try:
            self._socket.send(message if isinstance(message, bytes) else pack(message))
        except (websockets.exceptions.ConnectionClosed, ConnectionError) as error:
            raise ConnectionLost(str(error)) from error

    def receive(self, timeout: Optional[float]) -> Any:
        """The next message. Raises TimeoutError, ConnectionLost, or RemoteError for openpi's error text."""
        try:
            data = self._socket.receive(timeout)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TimeoutError(f"no message within {timeout} s") from error
        except (websockets.exceptions.ConnectionClosed, ConnectionError) as error:
            raise ConnectionLost(str(error)) from error
        if isinstance(data, str):
            raise RemoteError("INTERNAL", f"error in inference server: {data}")
        return unpack(data)

    def close(self) -> None:
        """Close; never raises."""
        try:
            self._socket.close()
        except Exception:  # noqa: BLE001 - the connection is given up either way
            pass


def _status(error: Exception) -> Optional[int]:
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None) or getattr(error, "status_code", None)


def _open(url: str, headers: dict, timeout: float) -> Union["_SyncSocket", "_ThreadSocket"]:
    version = tuple(int(part) for part in websockets.__version__.split(".")[:1])
    return _SyncSocket(url, headers, timeout, version[0]) if version[0] >= 13 else _ThreadSocket(url, headers, timeout)


class _SyncSocket:
    """websockets 13 and newer."""

    def __init__(self, url: str, headers: dict, timeout: float, version: int) -> None:
        from websockets.sync.client import connect

        # The server asks for signs of life; a ping of our own would only break long inferences of other servers.
        own = {"ping_interval": None} if version >= 15 else {}
        self._socket = connect(
            url, additional_headers=headers, compression=None, max_size=None, open_timeout=timeout, **own
        )

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    def receive(self, timeout: Optional[float]) -> Union[bytes, str]:
        return self._socket.recv(timeout)

    def close(self) -> None:
        self._socket.close()


class _ThreadSocket:
    """Older websockets (Debian 12 has 10.4): the asyncio client on a thread, so that pings are answered meanwhile."""

    def __init__(self, url: str, headers: dict, timeout: float) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        options = {"compression": None, "max_size": None, "open_timeout": timeout, "ping_interval": None}
        try:
            self._socket = self._run(_connect(url, extra_headers=headers, **options))
        except BaseException:
            self._stop()
            raise

    def send(self, data: bytes) -> None:
        self._run(self._socket.send(data))

    def receive(self, timeout: Optional[float]) -> Union[bytes, str]:
        return self._run(asyncio.wait_for(self._socket.recv(), timeout))

    def close(self) -> None:
        try:
            self._run(self._socket.close())
        finally:
            self._stop()

    def _run(self, work: Any) -> Any:
        if not self._thread.is_alive():
            work.close()
            raise ConnectionError("closed by this side")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1.0)


async def _connect(url: str, **options: Any) -> Any:
    return await websockets.connect(url, **options)
