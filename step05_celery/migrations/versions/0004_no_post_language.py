"""Posts have no language after all.

SQLite refuses to drop a column that an index stands on. Batch mode makes a new table without
the column, copies all rows into it, and puts it in the place of the old one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

options = {"sqlite_autoincrement": True}  # a batch makes a new table


def upgrade():
    with op.batch_alter_table("post", table_kwargs=options) as batch_op:
        batch_op.drop_index("ix_post_language")
        batch_op.drop_column("language")


def downgrade():
    # The column comes back, the languages do not: all posts are "en" again.
    with op.batch_alter_table("post", table_kwargs=options) as batch_op:
        batch_op.add_column(
            sa.Column("language", sa.String(10), server_default="en", nullable=False)
        )
        batch_op.create_index("ix_post_language", ["language"])
