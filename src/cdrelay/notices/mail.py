"""Notices by mail: one message to one person. They hold no secret, no address of a callback and no call."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

from cdrelay.callbacks.retry import Answered, NotReached, Outcome, Unsendable
from cdrelay.notices.queue import Notice

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


class NoticeMail:
    """Sends notices as mail. One at a time, in a thread of its own: those of the others are needed for deliveries."""

    def __init__(self, server: MailServer, trust: ssl.SSLContext, text_of: Callable[[Notice], str]) -> None:
        """`text_of` gives the text of the message. `trust` says who may vouch for the mail server."""
        self._server = server
        self._trust = trust
        self._text_of = text_of
        self._thread = ThreadPoolExecutor(1, "mail")

    async def tell(self, notice: Notice) -> Outcome:
        """One message. Raises what `text_of` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, notice)

    def close(self) -> None:
        """Wait for the message under way, and send no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _send(self, notice: Notice) -> Outcome:
        try:
            message = self._message(notice)
        except (ValueError, MessageError):
            return Unsendable("the address is none that mail can be sent to")
        server = self._server
        try:
            with smtplib.SMTP(server.host, server.port, timeout=server.seconds) as connection:
                if server.starttls:
                    connection.starttls(context=self._trust)
                if server.user:
                    connection.login(server.user, server.password)
                connection.send_message(message, server.sender, [notice.target])
        except smtplib.SMTPRecipientsRefused as error:
            return _refused([code for code, _ in error.recipients.values()])
        except smtplib.SMTPResponseException as error:
            return NotReached(f"the mail server answered {error.smtp_code}")
        except ssl.SSLError as error:
            return NotReached(f"no TLS with the mail server: {error.reason}")
        except (smtplib.SMTPException, OSError) as error:
            return NotReached(f"the mail server cannot be reached: {type(error).__name__}")
        return Answered(_ACCEPTED)

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._server.sender
        message["To"] = Address(addr_spec=notice.target)
        message["Subject"] = notice.subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._text_of(notice))
        return message


def _refused(codes: list[int]) -> Outcome:
    """5xx is for good; anything else is tried again."""
    words = f"the mail server answered {max(codes)} for the address"
    return Unsendable(words) if all(code >= 500 for code in codes) else NotReached(words)
