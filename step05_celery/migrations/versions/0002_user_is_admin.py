"""Some users are admins."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

options = {"sqlite_autoincrement": True}  # a batch makes a new table


def upgrade():
    # There may be rows already: with NOT NULL each of them needs a value, the server_default.
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.add_column(
            sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False)
        )


def downgrade():
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.drop_column("is_admin")
