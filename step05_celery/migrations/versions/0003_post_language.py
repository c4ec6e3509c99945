"""Posts have a language, with an index to find all posts of one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

options = {"sqlite_autoincrement": True}  # a batch makes a new table


def upgrade():
    with op.batch_alter_table("post", table_kwargs=options) as batch_op:
        batch_op.add_column(
            sa.Column("language", sa.String(10), server_default="en", nullable=False)
        )
        batch_op.create_index("ix_post_language", ["language"])


def downgrade():
    with op.batch_alter_table("post", table_kwargs=options) as batch_op:
        batch_op.drop_index("ix_post_language")
        batch_op.drop_column("language")
