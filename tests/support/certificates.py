"""Certificates for tests: an authority of their own, made when a test asks for it, and never written to the tree."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class Files:
    """Paths of a certificate and of its key."""

    certificate: str
    key: str


class Authority:
    """An authority whose certificates lie in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        import trustme

        self._folder = folder
        self._authority = trustme.CA()
        self.path = str(folder / f"{name}.pem")
        self._authority.cert_pem.write_to_path(self.path)

    def server(self, name: str = "server") -> Files:
        """For a server of this machine."""
        return self._write(self._authority.issue_cert("localhost", "127.0.0.1"), name)

    def client(self, name: str) -> Files:
        """For a client; `name` is its common name."""
        return self._write(self._authority.issue_cert(f"{name}@example.org", common_name=name), name)

    def expired(self, name: str) -> Files:
        """One whose time is over, fit for both."""
        found = self._authority.issue_cert(
            "localhost", "127.0.0.1", common_name=name, not_before=LONG_AGO, not_after=LONG_AGO.replace(year=2021)
        )
        return self._write(found, name)

    def locked(self, password: str) -> Files:
        """For a server, with a key that only the password opens."""
        from cryptography.hazmat.primitives import serialization

        files = self.server("locked")
        with open(files.key, "rb") as file:
            key = serialization.load_pem_private_key(file.read(), None)
        encryption = serialization.BestAvailableEncryption(password.encode())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        with open(files.key, "wb") as file:
            file.write(pem)
        return files

    def _write(self, made: trustme.LeafCert, name: str) -> Files:
        files = Files(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))
        made.private_key_pem.write_to_path(files.key)
        with open(files.certificate, "wb") as file:
            file.write(b"".join(part.bytes() for part in made.cert_chain_pems))
        return files
