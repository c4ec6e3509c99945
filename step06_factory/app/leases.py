"""Leases: only one worker at a time works on an export, and an export ends only once.

Each change is one UPDATE with a condition, so the database decides who comes first. Times are those
of the database's clock: the clocks of two machines differ.
"""

from datetime import datetime
from datetime import timedelta

from sqlalchemy import ColumnElement
from sqlalchemy import DateTime
from sqlalchemy import func
from sqlalchemy import not_
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import type_coerce
from sqlalchemy import update

from .extensions import db
from .models import Export

# Seconds that an export belongs to a worker after its last heartbeat.
LEASE = 10
# Seconds between two heartbeats. A commit costs more than a report to Celery.
HEARTBEAT_INTERVAL = 1
# Seconds until a worker tries again to get a lease that another worker has now.
RETRY_DELAY = 5
# Seconds in which a worker should have begun.
PICKUP_TIMEOUT = 5
# A task that kills each worker that tries it has to end some time.
MAX_ATTEMPTS = 10
# A database that was locked or away for a moment gets another chance.
MAX_DATABASE_ERRORS = 3


def database_clock() -> ColumnElement[datetime]:
    """Return the SQL for the time of the database's clock, in UTC."""
    clock = func.utc_timestamp(text("6"))
    if db.engine.dialect.name == "sqlite":
        clock = func.strftime("%Y-%m-%d %H:%M:%f000", "now")
    return type_coerce(clock, DateTime)


def database_time() -> datetime:
    """Return the time of the database's clock, in UTC."""
    return db.session.scalar(select(database_clock()))


def claim(export_id: str) -> int | None:
    """Take the lease for the next attempt and return its number, or None. Commits.

    None means that the export has ended, or that another worker has the lease.
    """
    now, lease = database_time(), timedelta(seconds=LEASE)
    # A heartbeat in the future is from a clock that has been put back since.
    expired = not_(Export.seen_at.between(now - lease, now + lease))
    result = db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING")
        .where(or_(Export.seen_at.is_(None), expired))
        .values(attempts=Export.attempts + 1, seen_at=now, current=0)
    )
    attempt = db.session.scalar(select(Export.attempts).where(Export.id == export_id))
    db.session.commit()
    return attempt if result.rowcount == 1 else None


def heartbeat(export_id: str, attempt: int, current: int, total: int) -> bool:
    """Renew the lease and store the progress, or return False if the task has to stop. Commits.

    False means that the export was cancelled or deleted, or that another attempt took over.
    """
    result = db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING", Export.attempts == attempt)
        .values(seen_at=database_time(), current=current, total=total)
    )
    db.session.commit()
    return result.rowcount == 1


def release(export_id: str, attempt: int) -> None:
    """Give the lease back, so that the next attempt can begin at once. Commits."""
    db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING", Export.attempts == attempt)
        .values(seen_at=None)
    )
    db.session.commit()


def finish(export_id: str, state: str, **values: object) -> bool:
    """End an export in this state, or return False if it has ended already. Does not commit.

    Cancel and finish may come at the same moment: the database lets one of them through.
    """
    result = db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING")
        .values(state=state, finished_at=database_time(), **values)
    )
    return result.rowcount == 1


def take_lost(*conditions: ColumnElement[bool]) -> list[str]:
    """Return the ids of exports without a lease whose tasks are to be sent again. Commits.

    Each comes after 5, 10, 20, 40 … seconds: its task may be lost, or wait in a long queue.
    """
    query = select(Export.id, Export.created_at, Export.sent_at, Export.seen_at, database_clock())
    query = query.where(Export.state == "PENDING", *conditions)
    lost = []
    for export_id, created_at, sent_at, seen_at, now in db.session.execute(query).all():
        if seen_at and abs(now - seen_at) <= timedelta(seconds=LEASE):
            continue
        if abs(now - sent_at) >= max(timedelta(seconds=PICKUP_TIMEOUT), sent_at - created_at):
            result = db.session.execute(
                update(Export)
                .where(Export.id == export_id, Export.sent_at == sent_at)
                .values(sent_at=now)
            )
            lost += [export_id] * result.rowcount
    if lost:
        db.session.commit()
    return lost
