"""How Alembic reaches the database. Flask-Migrate runs this file inside the app's context."""

import logging
from logging.config import fileConfig

from alembic import context
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from flask import current_app

migrate = current_app.extensions["migrate"]
logger = logging.getLogger("alembic.env")


def skip_empty(
    context: MigrationContext, revision: object, directives: list[MigrationScript]
) -> None:
    """Write no file where `flask db migrate` finds nothing to change."""
    if getattr(context.config.cmd_opts, "autogenerate", False):
        if directives[0].upgrade_ops.is_empty():
            directives.clear()
            logger.info("No changes in schema detected.")


fileConfig(context.config.config_file_name, disable_existing_loggers=False)
with migrate.db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=migrate.db.metadata,
        process_revision_directives=skip_empty,
        **migrate.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
