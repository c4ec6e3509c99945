"""Users and posts, as step 3 creates them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
options = {
    "mysql_collate": "utf8mb4_bin",
    "mariadb_collate": "utf8mb4_bin",
    "sqlite_autoincrement": True,
}


def upgrade():
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(30), nullable=False),
        sa.Column("name_key", sa.String(90), nullable=False),
        sa.Column("password_hash", sa.String(256), nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("name_key", name="uq_user_name_key"),
        sa.UniqueConstraint("session_id", name="uq_user_session_id"),
        **options,
    )
    op.create_table(
        "post",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["user.id"], name="fk_post_author_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_post"),
        **options,
    )
    op.create_index("ix_post_author_id", "post", ["author_id"])


def downgrade():
    op.drop_table("post")
    op.drop_table("user")
