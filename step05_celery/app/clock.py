"""Work by the clock. `celery beat` sends these tasks, at the times that config.py says.

Two of them at the same moment do no harm: each change is a statement with a condition.
"""

from datetime import timedelta

from celery import shared_task
from sqlalchemy import delete
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from .extensions import db
from .leases import database_time
from .leases import take_lost
from .models import Export
from .models import ExportChunk
from .tasks import resend

# How long an export is kept after it has ended.
KEEP = timedelta(days=30)
# How long an export waits for a worker.
WAIT = timedelta(days=1)


@shared_task(ignore_result=True)
def resend_lost_exports() -> None:
    """Send the tasks again that Redis has lost."""
    resend(take_lost())


@shared_task(ignore_result=True)
def delete_old_exports() -> None:
    """Delete the exports that ended long ago, with their archives."""
    old = Export.finished_at < database_time() - KEEP
    chunks = ExportChunk.export_id.in_(select(Export.id).where(old))
    db.session.execute(
        delete(ExportChunk).where(chunks).execution_options(synchronize_session=False)
    )
    db.session.execute(delete(Export).where(old).execution_options(synchronize_session=False))
    db.session.commit()


@shared_task(ignore_result=True)
def revoke_abandoned_exports() -> None:
    """Revoke the exports that no worker has finished in time."""
    now = database_time()
    unseen = or_(Export.seen_at.is_(None), Export.seen_at < now - WAIT)
    abandoned = (Export.state == "PENDING", Export.created_at < now - WAIT, unseen)
    values = {"state": "REVOKED", "finished_at": now, "error": "No worker was there for a day."}
    db.session.execute(
        update(Export).where(*abandoned).values(values).execution_options(synchronize_session=False)
    )
    db.session.commit()
