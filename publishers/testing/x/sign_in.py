"""X's authorization server: authorize, token, refresh with rotation, revoke [authentication/oauth-2-0]."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from publishers.testing.wire import Answer, Request
from publishers.testing.x.problems import Refused, forbidden, unauthorized
from publishers.testing.x.rules import Rules

SCOPES = "tweet.read tweet.write users.read media.write offline.access"


@dataclass(frozen=True, slots=True)
class _Code:
    challenge: str
    method: str
    redirect_uri: str
    scope: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class _Access:
    scope: str
    expires: datetime


class SignIn:
    """Codes and tokens of one account."""

    def __init__(self, rules: Rules, now: Callable[[], datetime]) -> None:
        self._rules = rules
        self._now = now
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, str] = {}  # token -> scope

    def grant(self, scope: str = SCOPES) -> dict[str, object]:
        """A token answer, as after a whole sign-in."""
        access, refresh = f"access-{secrets.token_urlsafe(32)}", f"refresh-{secrets.token_urlsafe(32)}"
        life = self._rules.access_life
        self._access[access] = _Access(scope, self._now() + timedelta(seconds=life))
        granted: dict[str, object] = {
            "token_type": "bearer",
            "expires_in": life,
            "access_token": access,
            "scope": scope,
        }
        if "offline.access" in scope.split():
            self._refresh[refresh] = scope
            granted["refresh_token"] = refresh
        return granted

    def expire_access(self) -> None:
        """No access token is good any more; refresh tokens are."""
        self._access.clear()

    def check(self, request: Request, *scopes: str) -> None:
        """Refuse unless the request bears a good token with these scopes."""
        access = self._access.get(request.bearer)
        if access is None or access.expires <= self._now():
            raise unauthorized()
        for scope in scopes:
            if scope not in access.scope.split():
                raise forbidden(scope)

    # ---- routes --------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Answer:
        """GET /i/oauth2/authorize: the person agrees at once, or declines where the rules say so."""
        asked = request.params
        redirect = asked.get("redirect_uri", "")
        if asked.get("client_id") != self._rules.client_id or not self._registered(redirect):
            return Answer(400, b"Something went wrong: you weren't able to give access to the App.")
        good = asked.get("response_type") == "code" and asked.get("code_challenge") and asked.get("state")
        if not good or len(asked["state"]) > 500:
            return Answer(400, b"Something went wrong: you weren't able to give access to the App.")
        back = {"state": asked["state"]}
        if self._rules.decline:
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_urlsafe(48)
            self._codes[back["code"]] = _Code(
                asked["code_challenge"],
                asked.get("code_challenge_method", "plain"),
                redirect,
                asked.get("scope", ""),
                self._now() + timedelta(seconds=self._rules.code_life),
            )
        return Answer(302, b"", {"Location": f"{redirect}?{urlencode(back)}"})

    def token(self, request: Request) -> Answer:
        """POST /2/oauth2/token."""
        self._check_client(request)
        form = request.form
        match form.get("grant_type"):
            case "authorization_code":
                code = self._codes.pop(form.get("code", ""), None)  # good once, right or wrong
                if code is None or code.expires <= self._now():
                    raise _refusal("invalid_request", "Value passed for the authorization code was invalid.")
                if form.get("redirect_uri") != code.redirect_uri:
                    raise _refusal("invalid_request", "Value passed for the redirect uri did not match.")
                if _challenge(form.get("code_verifier", ""), code.method) != code.challenge:
                    raise _refusal("invalid_request", "Value passed for the code verifier did not match.")
                return Answer.of(self.grant(code.scope))
            case "refresh_token":
                scope = self._refresh.pop(form.get("refresh_token", ""), None)
                if scope is None:
                    raise _refusal("invalid_request", "Value passed for the token was invalid.")
                return Answer.of(self.grant(scope))
        raise _refusal("unsupported_grant_type", "Missing or unknown grant_type.")

    def revoke(self, request: Request) -> Answer:
        """POST /2/oauth2/revoke."""
        self._check_client(request)
        token = request.form.get("token", "")
        self._access.pop(token, None)
        self._refresh.pop(token, None)
        return Answer.of({"revoked": True})

    def _check_client(self, request: Request) -> None:
        if not self._rules.client_secret:
            if request.form.get("client_id") != self._rules.client_id:
                raise _refusal("invalid_request", "Missing required parameter [client_id].")
            return
        scheme, _, packed = request.headers.get("authorization", "").partition(" ")
        try:
            pair = base64.b64decode(packed, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        if scheme.lower() != "basic" or pair != f"{self._rules.client_id}:{self._rules.client_secret}":
            raise _refusal("unauthorized_client", "Missing valid authorization header", 401)

    def _registered(self, redirect: str) -> bool:
        if self._rules.redirect_uris:
            return redirect in self._rules.redirect_uris
        return urlsplit(redirect).hostname == "127.0.0.1"


def _challenge(verifier: str, method: str) -> str:
    if method != "S256":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _refusal(error: str, description: str, status: int = 400) -> Refused:
    return Refused(Answer.of({"error": error, "error_description": description}, status))
