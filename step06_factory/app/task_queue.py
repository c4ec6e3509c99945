"""The queue of this database: several apps may use one Redis, and each takes only its own tasks."""

from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from .extensions import db
from .models import Queue


def queue_name() -> str:
    """Return the name of the queue, which is made up when it is first needed."""
    name = db.session.scalar(select(Queue.name))
    if name is None:
        db.session.add(Queue(id=1, name=f"study_log-{uuid4()}"))
        try:
            db.session.commit()
        except IntegrityError:
            db.session.rollback()  # another process was faster
        return queue_name()
    return name


def route(name: str, *_: object, **__: object) -> dict[str, str]:
    """Tell Celery where to send a task; see CELERY in config.py."""
    return {"queue": queue_name()}
