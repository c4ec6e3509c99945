"""Mail: the smallest task, and how a mail is delivered."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote
from urllib.parse import urlsplit

from celery import Task
from celery import shared_task
from email_validator import validate_email
from flask import current_app

# Seconds to wait for the mail server's next answer.
TIMEOUT = 5


class RefusedError(Exception):
    """The mail server refused a mail for good: another try would change nothing."""


# SMTPException is an OSError, and so are "connection refused" and "timed out": all may pass. A try
# comes about 1, 2, 4, then 8 seconds after the one before, at random, so that not all come at once.
# No later: Redis would take a task that waits longer than its visibility timeout for a lost one.
@shared_task(
    bind=True,
    autoretry_for=(OSError,),
    retry_backoff=True,
    retry_backoff_max=8,
    max_retries=8,
    ignore_result=True,
)
def send_mail(self: Task, to: str, subject: str, text: str) -> None:
    """Send a mail."""
    message = EmailMessage()
    message["From"] = current_app.config["MAIL_FROM"]
    # The domain in ASCII, xn--…: not every mail server knows it otherwise.
    message["To"] = validate_email(to, check_deliverability=False).ascii_email or to
    message["Subject"] = subject
    message["Date"] = formatdate()
    # The same at each try: a mail that arrives twice is shown once.
    message["Message-ID"] = f"<{self.request.id}@study-log>"
    message.set_content(text)
    deliver(message)


def deliver(message: EmailMessage) -> None:
    """Hand a mail to the server at MAIL_URL; without one, print it.

    Raises RefusedError if the server will never take it, OSError if it may take it later.
    """
    url = urlsplit(current_app.config["MAIL_URL"])
    if not url.hostname:
        print(f"To: {message['To']}", f"Subject: {message['Subject']}", "", sep="\n")
        print(message.get_content())
        return
    try:
        with connect(url.scheme, url.hostname, url.port) as server:
            if url.username:
                if not isinstance(server.sock, ssl.SSLSocket):
                    raise RefusedError("The mail server offers no TLS: the password is not sent.")
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(message)
    except smtplib.SMTPException as error:
        if isinstance(error, smtplib.SMTPNotSupportedError) or reply_code(error) >= 500:
            raise RefusedError(str(error)) from error
        raise


def connect(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    """Return a connection to a mail server: TLS from the start, or as soon as it offers TLS."""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=context)
    server = smtplib.SMTP(host, port or 587, timeout=TIMEOUT)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
    return server


def reply_code(error: smtplib.SMTPException) -> int:
    """Return the server's code: 4xx is "not now", 5xx is "never"; 0 if there is none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min(code for code, _ in error.recipients.values())
    return getattr(error, "smtp_code", 0)
