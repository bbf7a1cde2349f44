"""Alerts by mail: one message to one administrator. They hold no secret, no address of a callback and no call."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

from cdrelay.publisher.alerts.queue import Alert
from cdrelay.publisher.delivery.retry import Answered, NotReached, Outcome, Unsendable

_ACCEPTED = 250


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    sender: str
    """Address that messages are from."""
    starttls: bool
    """Whether the connection must become TLS, with a certificate that is trusted, before anything is said."""
    user: str = ""
    """Empty: without signing in."""
    password: str = field(default="", repr=False)
    seconds: float = 10.0
    """For each step of the exchange with the server."""


class AlertMail:
    """Sends alerts as mail. One at a time, in a thread of its own: those of the others are needed for deliveries."""

    def __init__(self, server: MailServer, trust: ssl.SSLContext, name_of: Callable[[str], str]) -> None:
        """`name_of` gives a partner's name for its id. `trust` says who may vouch for the mail server."""
        self._server = server
        self._trust = trust
        self._name_of = name_of
        self._thread = ThreadPoolExecutor(1, "mail")

    async def tell(self, alert: Alert) -> Outcome:
        """One message. Raises what `name_of` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, alert)

    def close(self) -> None:
        """Wait for the message under way, and send no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _send(self, alert: Alert) -> Outcome:
        try:
            message = self._message(alert)
        except (ValueError, MessageError):
            return Unsendable("the address of the administrator is none that mail can be sent to")
        server = self._server
        try:
            with smtplib.SMTP(server.host, server.port, timeout=server.seconds) as connection:
                if server.starttls:
                    connection.starttls(context=self._trust)
                if server.user:
                    connection.login(server.user, server.password)
                connection.send_message(message, server.sender, [alert.target])
        except smtplib.SMTPRecipientsRefused as error:
            return _refused([code for code, _ in error.recipients.values()])
        except smtplib.SMTPResponseException as error:
            return NotReached(f"the mail server answered {error.smtp_code}")
        except ssl.SSLError as error:
            return NotReached(f"no TLS with the mail server: {error.reason}")
        except (smtplib.SMTPException, OSError) as error:
            return NotReached(f"the mail server cannot be reached: {type(error).__name__}")
        return Answered(_ACCEPTED)

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._server.sender
        message["To"] = Address(addr_spec=alert.target)
        message["Subject"] = alert.subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(
            f"{alert.subject}.\n\n"
            f"Partner: {self._name_of(alert.partner_id)}\n"
            f"When: {alert.at:%Y-%m-%d %H:%M} UTC\n"
            f"{alert.what}\n"
        )
        return message


def _refused(codes: list[int]) -> Outcome:
    """5xx is for good; anything else is tried again."""
    words = f"the mail server answered {max(codes)} for the address"
    return Unsendable(words) if all(code >= 500 for code in codes) else NotReached(words)
