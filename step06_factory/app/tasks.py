"""The task that writes an export's archive, and how it reports its progress."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from os import SEEK_END
from tempfile import TemporaryFile
from time import monotonic
from typing import IO
from typing import NoReturn

from celery import Task
from celery import shared_task
from celery.exceptions import Ignore
from celery.utils.log import get_task_logger
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from . import leases
from .archive import write_archive
from .extensions import db
from .mail import send_mail
from .models import Export
from .models import ExportChunk
from .models import Post
from .models import User

# Seconds between two reports to Celery: ten a second look smooth, more would only cost time.
REPORT_INTERVAL = 0.1

# What is raised when Redis does not answer: by redis-py, by the queue, and by Celery's results.
REDIS_ERRORS = (RedisError, OperationalError, RuntimeError)

logger = get_task_logger(__name__)


# bind=True: the task gets itself as the first argument, to report its state.
# acks_late: a task leaves the queue when it is done, not when it begins. If its worker dies, it
# is delivered again; reject_on_worker_lost says the same for a child process of the worker.
@shared_task(bind=True, acks_late=True, reject_on_worker_lost=True)
def export_posts(self: Task, export_id: str) -> dict[str, int]:
    """Write all posts of an export's owner into its archive, once, however often this is called."""
    try:
        return run_attempt(self, export_id)
    except DBAPIError as error:
        # The row says how the export is. It cannot be written now, so the next attempt will do it.
        db.session.rollback()
        logger.warning("Export %s will be tried again: %s", export_id, error.orig)
        try_later(self, export_id)


def run_attempt(task: Task, export_id: str) -> dict[str, int]:
    """Write the archive if this worker gets the lease, and store in the row how it ended."""
    attempt = leases.claim(export_id)
    if attempt is None:
        if db.session.scalar(select(Export.state).where(Export.id == export_id)) == "PENDING":
            try_later(task, export_id)
        raise Ignore  # leaves what Celery knows of the task as it is
    try:
        if attempt > leases.MAX_ATTEMPTS:
            raise RuntimeError(f"{leases.MAX_ATTEMPTS} attempts have died, so this is the end")
        return make_archive(task, export_id, attempt)
    except Ignore:
        raise
    except Exception as problem:
        if isinstance(problem.__context__, SystemExit):
            # The worker was told to stop, and ZipFile complains of a file that is not complete.
            raise problem.__context__ from None
        db.session.rollback()
        if isinstance(problem, DBAPIError) and attempt < leases.MAX_DATABASE_ERRORS:
            leases.release(export_id, attempt)
            raise
        leases.finish(export_id, "FAILURE", error="Something went wrong here. Please try again.")
        db.session.commit()
        # Celery writes the traceback into the worker's log, with the id.
        raise RuntimeError(f"attempt {attempt} has failed") from problem


def try_later(task: Task, export_id: str) -> NoReturn:
    """Send the task again for another attempt, and end this one."""
    task.apply_async([export_id], task_id=export_id, countdown=leases.RETRY_DELAY)
    raise Ignore


def resend(export_ids: Iterable[str]) -> None:
    """Send tasks again that Redis may have lost. It does no harm if it has not."""
    try:
        for export_id in export_ids:
            export_posts.apply_async([export_id], task_id=export_id)
    except REDIS_ERRORS as error:
        logger.error("Redis does not answer: %s", error)


def make_archive(task: Task, export_id: str, attempt: int) -> dict[str, int]:
    """Write the archive, report the progress on the way, and store the archive."""
    author_id = db.session.scalar(select(Export.owner_id).where(Export.id == export_id))
    total = db.session.scalar(select(func.count(Post.id)).where(Post.author_id == author_id))
    current, last_report, last_heartbeat = 0, 0.0, 0.0
    report(task, "STARTED", 0, total)
    with TemporaryFile() as file:
        for current in write_archive(file, author_id):
            # Posts may be added while we count: the bar never shows more than all.
            total = max(current, total)
            if monotonic() - last_report >= REPORT_INTERVAL:
                report(task, "PROGRESS", current, total)
                last_report = monotonic()
            if monotonic() - last_heartbeat >= leases.HEARTBEAT_INTERVAL:
                if not leases.heartbeat(export_id, attempt, current, total):
                    raise Ignore  # cancelled
                last_heartbeat = monotonic()
        store_archive(export_id, file, total=current)
    return {"current": current, "total": current}


def report(task: Task, state: str, current: int, total: int) -> None:
    """Report the progress to Celery; if Redis does not answer, work on without."""
    with suppress(*REDIS_ERRORS):
        task.update_state(state=state, meta={"current": current, "total": total})


def store_archive(export_id: str, file: IO[bytes], total: int) -> None:
    """Store the archive together with the new state: all of it or nothing."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if leases.finish(export_id, "SUCCESS", current=total, total=total, size=size):
        for position, data in enumerate(iter(partial(file.read, ExportChunk.SIZE), b"")):
            values = {"export_id": export_id, "position": position, "data": data}
            db.session.execute(insert(ExportChunk).values(values))
        db.session.commit()
        tell_owner(export_id)
    db.session.commit()


def tell_owner(export_id: str) -> None:
    """Mail the owner of an export that it is ready, if they want that."""
    query = select(User.email, Export.mail_link).join(Export.owner).where(Export.id == export_id)
    row = db.session.execute(query).one_or_none()  # None: it was deleted meanwhile
    if row and row.email and row.mail_link:
        text = f"Your export is ready. Download it here:\n\n{row.mail_link}\n"
        with suppress(*REDIS_ERRORS):  # without the mail, the export is as good
            send_mail.delay(row.email, "Your export is ready", text)
