"""Our own TLS: the certificate and its key, and taking up renewed ones while the server runs."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509

from cdrelay.errors import CdrelayError

_LOOK_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class TlsUnusable(CdrelayError):
    """The certificate or its key cannot be used; the message names the file and what is wrong with it."""


class OwnTls:
    """TLS 1.2 and newer with one certificate. A renewed certificate counts for new connections."""

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        """The key may be in the certificate's file. Raises TlsUnusable."""
        self._files = certificate_file, key_file
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load()

    def _load(self) -> None:
        certificate_file, key_file = self._files
        self._written = self._times()
        self.expires_at = _expiry(certificate_file)
        """Of the certificate that is in use."""
        _require_key(key_file)
        try:
            self.context.load_cert_chain(certificate_file, key_file)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsUnusable(f"tls_key_file: {key_file} is not the key of {certificate_file}") from error
            raise TlsUnusable(
                f"tls_certificate_file, tls_key_file: {certificate_file} and {key_file} cannot be used:"
                f" {error.reason or error}"
            ) from error

    def _times(self) -> list[float]:
        return [_written_at(file) for file in self._files]

    def renew(self) -> bool:
        """Take up the files when they were written anew; whether they were. Unusable ones are told and change nothing.

        They are looked at again when they are written once more. Blocking.
        """
        if self._times() == self._written:
            return False
        try:
            self._load()
        except TlsUnusable as error:
            _log.error("tls.not_renewed", reason=str(error))
            return False
        _log.info("tls.renewed", expires_at=self.expires_at.isoformat())
        return True

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """The loop that takes up renewed files."""
        while True:
            await sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.renew)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _read(setting: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsUnusable(f"{setting}: {file} cannot be read: {error.strerror}") from error


def _expiry(file: Path) -> datetime:
    content = _read("tls_certificate_file", file)
    try:
        return x509.load_pem_x509_certificates(content)[0].not_valid_after_utc
    except ValueError as error:
        raise TlsUnusable(f"tls_certificate_file: {file} holds no certificate in PEM") from error


def _require_key(file: Path) -> None:
    content = _read("tls_key_file", file)
    if b"PRIVATE KEY-----" not in content:
        raise TlsUnusable(f"tls_key_file: {file} holds no private key in PEM")
    if b"ENCRYPTED" in content:  # the library would ask for the password on the terminal
        raise TlsUnusable(f"tls_key_file: the private key in {file} has a password; it must have none")
