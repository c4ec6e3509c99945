"""What a worker does when it starts. Nothing of this happens in the web process."""

from time import sleep
from typing import Any

from celery.signals import beat_init
from celery.signals import celeryd_init
from celery.signals import worker_ready
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from . import clock  # noqa: F401
from . import kombu_fix  # noqa: F401
from .extensions import db
from .leases import RETRY_DELAY
from .models import Export
from .task_queue import queue_name
from .tasks import resend


def init_app(app: Flask) -> None:
    """Bind to the app, whose database a worker asks."""

    @celeryd_init.connect(weak=False)
    def choose_queue(conf: Any, **_: object) -> None:
        with app.app_context():
            # The worker knows its queue from now on: no need to ask again for each task.
            conf.update(task_default_queue=wait_for_queue(app), task_routes=None)
            db.engine.dispose()  # child processes must not inherit an open connection

    @beat_init.connect(weak=False)
    def choose_queue_of_beat(sender: Any, **_: object) -> None:
        choose_queue(conf=sender.app.conf)

    @worker_ready.connect(weak=False)
    def send_lost_tasks(**_: object) -> None:
        with app.app_context():
            resend(db.session.scalars(select(Export.id).where(Export.state == "PENDING")).all())
            db.engine.dispose()


def wait_for_queue(app: Flask) -> str:
    """Return the name of the queue as soon as the database has it."""
    while True:
        try:
            return queue_name()
        except SQLAlchemyError as error:
            db.session.rollback()
            reason = str(error).partition("\n")[0]
            app.logger.warning("The worker waits for the database: %s", reason)
            sleep(RETRY_DELAY)
