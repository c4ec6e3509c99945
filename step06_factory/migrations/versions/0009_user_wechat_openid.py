"""Users may be known to WeChat."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

options = {"sqlite_autoincrement": True}  # a batch makes a new table


def upgrade():
    # Unique, and still NULL for many: a database does not take two NULLs for the same.
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.add_column(sa.Column("wechat_openid", sa.String(64), nullable=True))
        batch_op.create_unique_constraint("uq_user_wechat_openid", ["wechat_openid"])


def downgrade():
    with op.batch_alter_table("user", table_kwargs=options) as batch_op:
        batch_op.drop_constraint("uq_user_wechat_openid", type_="unique")
        batch_op.drop_column("wechat_openid")
