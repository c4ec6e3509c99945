"""A real SMTP server on a free port, which takes mails, or does what a test needs instead."""

import gc
import ssl
import warnings
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from common.stack import free_port
from tests.support.needed import PACKAGES
from tests.support.processes import wait_until

controller = pytest.importorskip("aiosmtpd.controller", reason=PACKAGES.reason)
smtp = pytest.importorskip("aiosmtpd.smtp")
trustme = pytest.importorskip("trustme", reason=PACKAGES.reason)


class MailServer:
    """An SMTP server on 127.0.0.1. ``replies`` are its next answers to a mail; then it takes it."""

    def __init__(
        self, folder: Path, *, tls: str = "", login: tuple[str, str] | None = None
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[object] = []
        self.replies: list[str] = []
        self.tries = 0
        self.authority = trustme.CA()
        self.certificate = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        options: dict[str, object] = {}
        if login:
            options = {
                "authenticator": lambda server, session, envelope, mechanism, data: smtp.AuthResult(
                    success=(data.login.decode(), data.password.decode()) == login
                ),
                "auth_required": True,
                "auth_require_tls": tls != "smtps",  # aiosmtpd does not see that all of it is TLS
            }
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        self.port = free_port()
        self._controller = controller.Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if tls == "smtps" else None,
            **options,
        )
        user = "{}:{}@".format(*login) if login else ""
        scheme = "smtps" if tls == "smtps" else "smtp"
        self.url = f"{scheme}://{user}127.0.0.1:{self.port}"

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
        """Answer a mail: aiosmtpd calls this."""
        self.tries += 1
        if self.replies:
            return self.replies.pop(0)
        self.envelopes.append(envelope)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    def start(self) -> "MailServer":
        self._controller.start()
        return self

    def stop(self) -> None:
        self._controller.stop(no_assert=True)
        self._controller = None
        # aiosmtpd leaves the connections that are still open to be forgotten: here, not in a test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def next(self, to: str, count: int, *, seconds: float = 20) -> EmailMessage:
        """Wait for a mail to this address, after the first ``count`` mails to anybody."""
        return wait_until(
            lambda: next((mail for mail in self.mails[count:] if mail["To"] == to), None),
            f"a mail to {to}",
            seconds=seconds,
        )
