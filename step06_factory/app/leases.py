"""Leases: only one worker at a time works on an export, and an export ends only once.

Each of these is one UPDATE with a condition, so the database decides who comes first.
"""

from datetime import timedelta

from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from .extensions import db
from .models import Export
from .models import now

# Seconds that an export belongs to a worker after its last heartbeat.
LEASE = 10
# Seconds between two heartbeats. A commit costs more than a report to Celery.
HEARTBEAT_INTERVAL = 1
# Seconds until a worker tries again to get a lease that another worker has now.
RETRY_DELAY = 5
# A task that kills each worker that tries it has to end some time.
MAX_ATTEMPTS = 10


def claim(export_id: str) -> int | None:
    """Take the lease for the next attempt and return its number, or None. Commits.

    None means that the export has ended, or that another worker has the lease.
    """
    expired = or_(Export.seen_at.is_(None), Export.seen_at < now() - timedelta(seconds=LEASE))
    result = db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING", expired)
        .values(attempts=Export.attempts + 1, seen_at=now(), current=0)
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
        .values(seen_at=now(), current=current, total=total)
    )
    db.session.commit()
    return result.rowcount == 1


def finish(export_id: str, state: str, **values: object) -> bool:
    """End an export in this state, or return False if it has ended already. Does not commit.

    Cancel and finish may come at the same moment: the database lets one of them through.
    """
    result = db.session.execute(
        update(Export)
        .where(Export.id == export_id, Export.state == "PENDING")
        .values(state=state, finished_at=now(), **values)
    )
    return result.rowcount == 1
