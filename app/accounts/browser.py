"""A sign-in that waits for the browser: the address to open, and the way the code comes back."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

from app.core.errors import KnownError, WrongUsage
from publishers.api import AuthRequest, Capabilities, Redirect, SignsInByBrowser
from publishers.oauth import DEFAULT_PORT, CodeListener

PORT_SETTING = "oauth.port"


@dataclass(frozen=True, slots=True, repr=False)
class BrowserSignIn:
    """One sign-in under way. It listens on 127.0.0.1 until it is completed or closed."""

    platform: str
    server: str
    answers: Mapping[str, str]  # with the secret ones: never stored
    request: AuthRequest
    listener: CodeListener

    @classmethod
    async def begin(
        cls, capabilities: Capabilities, adapter: SignsInByBrowser, answers: Mapping[str, str], server: str, port: int
    ) -> Self:
        """Start listening. Raises PublishError where the port is taken or the adapter refuses the answers."""
        listener = await CodeListener(port).__aenter__()
        try:
            request = adapter.begin(server, answers, listener.redirect_uri)
        except BaseException:
            await listener.__aexit__(None, None, None)
            raise
        return cls(capabilities.platform, server, answers, request, listener)

    @property
    def url(self) -> str:
        """The address to open in the browser."""
        return self.request.url

    @property
    def redirect_uri(self) -> str:
        return self.listener.redirect_uri

    async def code(self, pasted: str = "") -> str:
        """The authorization code: out of the address the browser ended at, where the creator pasted it (a browser
        on another machine cannot reach the listener), else waited for. Raises KnownError or PublishError."""
        return code_in(pasted, self.request.state) if pasted else await self.listener.wait_for_code(self.request.state)

    async def close(self) -> None:
        """Stop listening; closing twice is no error."""
        await self.listener.__aexit__(None, None, None)


def redirect_port(capabilities: Capabilities, setting: object) -> int:
    """The port the browser comes back to; 0 = any. Raises WrongUsage where a page on the web would be needed."""
    match capabilities.redirect:
        case Redirect.ANY_PORT:
            return 0
        case Redirect.FIXED_PORT:
            chosen = isinstance(setting, int) and not isinstance(setting, bool) and 1024 <= setting <= 65535
            return setting if chosen and isinstance(setting, int) else DEFAULT_PORT
    raise WrongUsage(f"{capabilities.name} sends the browser to a page on the web, which Quarry does not offer yet.")


def code_in(address: str, state: str) -> str:
    """The code in the address the browser was sent back to. Raises KnownError."""
    try:
        given = parse_qs(urlsplit(address.strip()).query, max_num_fields=20)
    except ValueError:
        given = {}
    if "error" in given:
        raise KnownError("The account was not connected because access was declined: start again to allow it.")
    codes, states = given.get("code", []), given.get("state", [])
    if len(codes) != 1 or len(states) != 1:
        raise KnownError(
            "This address holds no code: nothing was stored; copy the whole address the browser shows after you agreed."
        )
    if not hmac.compare_digest(states[0].encode(), state.encode()):
        raise KnownError("This address belongs to another sign-in: nothing was stored; start connecting again.")
    return codes[0]
