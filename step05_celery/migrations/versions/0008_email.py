"""Users may have a mail address, and want a mail when an export is ready."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

options = {"sqlite_autoincrement": True}  # a batch makes a new table


def upgrade():
    # Unique, and still NULL for many: a database does not take two NULLs for the same.
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.add_column(sa.Column("email", sa.String(254), nullable=True))
        batch_op.create_unique_constraint("uq_user_email", ["email"])
    op.add_column("export", sa.Column("mail_link", sa.String(500), nullable=True))


def downgrade():
    op.drop_column("export", "mail_link")
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.drop_constraint("uq_user_email", type_="unique")
        batch_op.drop_column("email")
