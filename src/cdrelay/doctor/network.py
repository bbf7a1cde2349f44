"""What stands between us and others: the certificate, and the mail server."""

import smtplib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cdrelay.doctor.findings import Examined, Finding
from cdrelay.serving.tls import OwnTls, TlsUnusable
from cdrelay.wiring.delivering import mail_server, trust_of

_SOON = timedelta(days=21)
_MAIL_PAGE = "docs/alarms.md"


def certificate(examined: Examined) -> Iterator[Finding]:
    """The files of our own TLS, and until when they are valid."""
    settings = examined.settings
    if not settings.tls_certificate_file:
        return
    file = Path(settings.tls_certificate_file).expanduser()
    try:
        tls = OwnTls(file, Path(settings.tls_key_file).expanduser() if settings.tls_key_file else file)
    except TlsUnusable as error:
        yield Finding("certificate", "failed", str(error), "put the right files in their place", "docs/receiving.md")
        return
    left = tls.expires_at - examined.clock.now()
    what = f"the certificate is valid until {tls.expires_at:%Y-%m-%d %H:%M} UTC"
    if left < timedelta():
        yield Finding("certificate", "failed", what, "renew it: providers refuse to deliver", "docs/receiving.md")
    elif left < _SOON:
        yield Finding("certificate", "warning", what, "renew it", "docs/receiving.md")
    else:
        yield Finding("certificate", "ok", what)


def mail(examined: Examined) -> Iterator[Finding]:
    """Whether the mail server is there, and lets us in; nothing is sent."""
    if not examined.settings.mail_server or not examined.online:
        return
    server = mail_server(examined.settings)
    try:
        with smtplib.SMTP(server.host, server.port, timeout=server.seconds) as connection:
            if server.starttls:
                connection.starttls(context=trust_of(examined.settings))
            if server.user:
                connection.login(server.user, server.password)
            connection.noop()
    except (smtplib.SMTPException, OSError) as error:
        what = f"the mail server {server.host} cannot be used: {type(error).__name__}"
        yield Finding("mail", "failed", what, "check mail_server, mail_user and mail_password", _MAIL_PAGE)
    else:
        yield Finding("mail", "ok", f"{server.host} takes mail")
