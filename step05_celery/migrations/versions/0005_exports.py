"""Exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
options = {"mysql_collate": "utf8mb4_bin", "mariadb_collate": "utf8mb4_bin"}


def upgrade():
    op.create_table(
        "export",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", timestamp, nullable=False),
        sa.Column("sent_at", timestamp, nullable=False),
        sa.Column("finished_at", timestamp, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("seen_at", timestamp, nullable=True),
        sa.Column("current", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["user.id"], name="fk_export_owner_id_user"),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
        **options,
    )
    op.create_index("ix_export_owner_id", "export", ["owner_id"])


def downgrade():
    op.drop_table("export")
