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
    if connection.dialect.name == "sqlite":
        # A batch drops the old table, which must not delete the rows that point to it.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        # An upgrade is all or nothing: Python's sqlite3 begins no transaction for a CREATE or DROP.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(
        connection=connection,
        transactional_ddl=connection.dialect.name == "sqlite",
        target_metadata=migrate.db.metadata,
        process_revision_directives=skip_empty,
        **migrate.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
