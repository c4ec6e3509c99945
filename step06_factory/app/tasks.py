"""What the worker does in the background."""

from functools import partial
from os import SEEK_END
from tempfile import TemporaryFile
from time import monotonic
from typing import IO

from celery import Task
from celery import shared_task
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select

from .archive import write_archive
from .extensions import db
from .models import Export
from .models import ExportChunk
from .models import Post

# Seconds between two reports: ten a second look smooth, more would only cost time.
REPORT_EVERY = 0.1


# bind=True: the task gets itself as the first argument, to report its state.
@shared_task(bind=True)
def export_posts(self: Task, export_id: str) -> dict[str, int] | None:
    """Write all posts of an export's owner into its archive."""
    export = db.session.get(Export, export_id)
    if export is None or export.state != "PENDING":
        return None  # cancelled while it was waiting
    author_id = export.owner_id
    total = db.session.scalar(select(func.count(Post.id)).where(Post.author_id == author_id))
    current, last_report = 0, 0.0
    try:
        with TemporaryFile() as file:
            for current in write_archive(file, author_id):
                if monotonic() - last_report < REPORT_EVERY:
                    continue
                last_report = monotonic()
                if is_over(export_id):
                    return None  # cancelled
                # Posts may be added while we count: the bar never shows more than all.
                meta = {"current": current, "total": max(current, total)}
                self.update_state(state="PROGRESS", meta=meta)
            store_archive(export_id, file, total=current)
    except Exception:
        db.session.rollback()
        Export.finish(export_id, "FAILURE", error="Something went wrong here. Please try again.")
        db.session.commit()
        raise  # Celery writes the traceback into the worker's log
    return {"current": current, "total": current}


def is_over(export_id: str) -> bool:
    """Tell whether the export was cancelled or deleted since it began."""
    state = db.session.scalar(select(Export.state).where(Export.id == export_id))
    db.session.rollback()  # the next question shall see what others have written by then
    return state != "PENDING"


def store_archive(export_id: str, file: IO[bytes], total: int) -> None:
    """Put the archive into the database together with the new state: all of it or nothing."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    if Export.finish(export_id, "SUCCESS", total=total, size=size):
        for position, data in enumerate(iter(partial(file.read, ExportChunk.SIZE), b"")):
            values = {"export_id": export_id, "position": position, "data": data}
            db.session.execute(insert(ExportChunk).values(values))
    db.session.commit()
