"""A service account's key, and the two places that give out Google identity tokens, as a far end on 127.0.0.1."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from support.http_target import HttpTarget, Seen, Wire, reply


class IdentityServer:
    """Answers token requests that are signed with the key it made, and counts them."""

    def __init__(self, target: HttpTarget, lifetime: float = 3600.0) -> None:
        self.target = target
        self.given = 0
        self._lifetime = lifetime
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        target.script("/token", self._exchange)
        target.script("/computeMetadata/v1/instance/service-accounts/default/identity", self._machine)

    def key_file(self, folder: Path) -> str:
        """Write a key file of a service account and return its path."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        path = folder / "key.json"
        info = {"type": "service_account", "client_email": "jobs@p.iam.gserviceaccount.com", "private_key": private}
        path.write_text(json.dumps({**info, "private_key_id": "k1", "token_uri": f"{self.target.url}/token"}))
        return str(path)

    def token(self, audience: str) -> str:
        """Return a token; its signature is nobody's, who checks it is another test's business."""
        self.given += 1
        claims = {"aud": audience, "exp": int(time.time() + self._lifetime), "n": self.given}
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)] + [b"signature-0123456789"]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    async def _exchange(self, seen: Seen, wire: Wire) -> None:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        claims: dict[str, Any] = jwt.decode(form["assertion"], certs=public, audience=f"{self.target.url}/token")
        await reply(200, {"id_token": self.token(claims["target_audience"])})(seen, wire)

    async def _machine(self, seen: Seen, wire: Wire) -> None:
        asked = parse_qs(urlsplit(seen.target).query)["audience"][0]
        flavour = seen.header("metadata-flavor") == "Google"
        await (reply(200, self.token(asked)) if flavour else reply(403, "no"))(seen, wire)
