"""One window a data folder: a second one asks the first to come forward and ends.

The name of the local socket follows from the folder; a socket file left by a crash is taken over, because nobody
answers on it.
"""

from __future__ import annotations

import hashlib

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from app.core.errors import KnownError
from app.core.folder import DataFolder

_WAIT = 1000  # ms
_RAISE = b"raise\n"


def socket_name(folder: DataFolder) -> str:
    """Short enough for sun_path (108 bytes) whatever the folder is called, and the creator's own."""
    digest = hashlib.sha256(str(folder.root.resolve()).encode()).hexdigest()[:16]
    path = str(folder.run / "window.sock")
    return path if len(path.encode()) < 100 else f"quarry-window-{digest}"


class SingleInstance(QObject):
    raised = Signal()

    def __init__(self, folder: DataFolder) -> None:
        super().__init__()
        self._name = socket_name(folder)
        self._server: QLocalServer | None = None

    def claim(self) -> bool:
        """Whether this is the folder's only window; otherwise the other one was asked to come forward.

        Raises KnownError where the socket cannot be made."""
        if self._ask_other():
            return False
        server = QLocalServer(self)
        server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        if not server.listen(self._name):
            QLocalServer.removeServer(self._name)  # left behind by a crash: nobody answered on it
            if not server.listen(self._name):
                raise KnownError(
                    f"The window's socket cannot be made ({server.errorString()}): nothing was changed; "
                    "check that the data folder's run/ can be written."
                )
        server.newConnection.connect(self._hear)
        self._server = server
        return True

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _ask_other(self) -> bool:
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(_WAIT):
            return False
        socket.write(_RAISE)
        socket.waitForBytesWritten(_WAIT)
        socket.disconnectFromServer()
        return True

    @Slot()
    def _hear(self) -> None:
        if self._server is None:
            return
        socket = self._server.nextPendingConnection()
        socket.disconnected.connect(socket.deleteLater)
        self.raised.emit()
