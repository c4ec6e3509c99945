"""The queue of the tasks of this database."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

options = {"mysql_collate": "utf8mb4_bin", "mariadb_collate": "utf8mb4_bin"}


def upgrade():
    op.create_table(
        "queue",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue"),
        sqlite_autoincrement=True,
        **options,
    )


def downgrade():
    op.drop_table("queue")
