"""Log-in by an OpenID Connect provider: authorization code with PKCE (OpenID Connect Core 1.0, RFC 7636)."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from console.errors import Refused, Unavailable
from console.security.roles import Role
from console.security.users import User
from console.settings import OpenIdSettings
from tapline.process.secrets import secret
from topics.errors import TaplineError

PENDING_SECONDS: Final = 600
"""How long somebody may take at the provider."""

_SCOPE: Final = "openid profile email"
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key of the provider's: none is made with what the console itself knows."""

_LEEWAY_SECONDS: Final = 60
_LONGEST_NAME: Final = 64
_MOST_BYTES: Final = 1024 * 1024


class Pending(Struct, frozen=True):
    """A log-in that was begun, which the browser keeps in a cookie: what its end has to fit, and where it leads.

    There is nothing in it that the browser may not know, and whoever makes one of his own logs in himself alone.
    """

    state: str
    nonce: str
    verifier: str
    next: str

    def written(self) -> str:
        """It as the cookie's value."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def read(cls, text: str) -> Pending | None:
        """What a cookie says, if anything."""
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=cls)
        except (ValueError, binascii.Error):
            return None


class OpenId:
    """The provider; asked when somebody first logs in, so the console starts also while it is away.

    What it says wrong is :class:`~console.errors.Refused`, that it does not answer
    :class:`~console.errors.Unavailable`.
    """

    def __init__(self, settings: OpenIdSettings, timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None

    @property
    def on(self) -> bool:
        """True where a provider is set."""
        return bool(self._settings.issuer)

    def check(self) -> None:
        """See that the settings can be used; :class:`TaplineError` says what would be right."""
        settings = self._settings
        if not self.on:
            return
        parts = urlsplit(settings.issuer)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise TaplineError("console.openid.issuer has to begin with https:// (http:// is for this machine alone)")
        if not settings.client_id:
            raise TaplineError("console.openid.client_id is not set: it is what the provider calls this console")
        if not (settings.administrators or settings.operators or settings.viewers):
            raise TaplineError(
                f"nobody may log in by OpenID: set in console.openid.administrators, operators or viewers which values"
                f" of {settings.role_claim} do"
            )
        self._secret()

    def begin(self, back: str, there: str) -> tuple[str, Pending]:
        """Where the browser is to go, and what it has to keep; ``back`` is the address that the provider leads to."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        pending = Pending(state, nonce, verifier, there)
        with self._session(back) as session:
            url, _ = session.create_authorization_url(
                self._place("authorization_endpoint"),
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
            )
        return str(url), pending

    def finish(self, pending: Pending | None, answer: Mapping[str, str], back: str) -> User:
        """Whoever the provider says has come back with this answer."""
        if pending is None or not secrets.compare_digest(
            pending.state.encode("utf-8", "replace"), answer.get("state", "").encode("utf-8", "replace")
        ):
            raise Refused("this log-in was not begun here, or took too long: begin again")
        if "error" in answer:
            raise Refused(f"the provider says: {answer.get('error_description') or answer['error']}"[:300])
        try:
            with self._session(back) as session:
                token = session.fetch_token(
                    self._place("token_endpoint"),
                    code=answer.get("code", ""),
                    code_verifier=pending.verifier,
                    timeout=self._timeout,
                )
                claims = self._claims(str(token.get("id_token", "")), pending.nonce)
                if "userinfo_endpoint" in self._provider():
                    claims = self._also(session, claims)
        except AuthlibBaseError as error:
            raise Refused(f"the provider has not confirmed the log-in ({error.error}): begin again") from error
        except JoseError as error:
            raise Refused(f"what the provider says cannot be trusted ({error.error}): begin again") from error
        except (requests.RequestException, ValueError) as error:
            raise _away(error) from error
        return self._user(claims)

    def _session(self, back: str) -> Any:
        return OAuth2Session(
            self._settings.client_id,
            self._secret() or None,
            scope=_SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            # Without a secret it is a public client, whom PKCE alone stands for.
            token_endpoint_auth_method="client_secret_basic" if self._secret() else "none",
        )

    def _secret(self) -> str:
        given = self._settings.client_secret
        return secret(given, "console.openid.client_secret") if given else ""

    def _provider(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0)."""
        with self._lock:
            if not self._metadata:
                issuer = self._settings.issuer
                found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    raise Refused(
                        f"the provider calls itself {found.get('issuer')!r}: set console.openid.issuer to that"
                    )
                self._metadata = found
            return self._metadata

    def _place(self, name: str) -> str:
        found = self._provider().get(name)
        if not isinstance(found, str):
            raise Refused(f"the provider has no {name}: it cannot be used for log-in")
        return found

    def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = requests.get(url, timeout=self._timeout, allow_redirects=False)
            answer.raise_for_status()
            found = msgspec.json.decode(answer.content[:_MOST_BYTES])
        except (requests.RequestException, msgspec.DecodeError) as error:
            raise _away(error) from error
        return found if isinstance(found, dict) else {}

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What a token says that the provider signed for this very log-in; :class:`JoseError` when it did not."""
        try:
            found = jwt.decode(token, self._signers(anew=False), algorithms=_ALGORITHMS)
        except InvalidKeyIdError:
            # Providers change their keys.
            found = jwt.decode(token, self._signers(anew=True), algorithms=_ALGORITHMS)
        rules = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        rules.validate(found.claims)
        if found.claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise Refused("the provider's word was meant for another client: see console.openid.client_id")
        return dict(found.claims)

    def _signers(self, *, anew: bool) -> KeySet:
        url = self._place("jwks_uri")
        with self._lock:
            if self._keys is None or anew:
                self._keys = KeySet.import_key_set(self._get(url))  # type: ignore[arg-type]
            return self._keys

    def _also(self, session: Any, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with those that the provider tells only where it is asked for them."""
        answer = session.get(self._place("userinfo_endpoint"), timeout=self._timeout)
        answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise Refused("the provider speaks of somebody else than who has logged in: begin again")
        return found | claims

    def _user(self, claims: dict[str, Any]) -> User:
        settings = self._settings
        name = claims.get(settings.name_claim)
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise Refused(f"the provider tells no name in {settings.name_claim}: see console.openid.name_claim")
        given = claims.get(settings.role_claim, [])
        values = set(map(str, given)) if isinstance(given, list) else {str(given)}
        for role, wanted in (
            (Role.ADMINISTRATOR, settings.administrators),
            (Role.OPERATOR, settings.operators),
            (Role.VIEWER, settings.viewers),
        ):
            if values & set(wanted):
                return User(name=name, role=role.word, password="")
        raise Refused(f"{name} may not use this console: no value of {settings.role_claim} gives a role here")


def _away(error: Exception) -> Unavailable:
    return Unavailable(f"the OpenID provider does not answer ({type(error).__name__}): try again later")
