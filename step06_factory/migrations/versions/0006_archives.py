"""The pieces of the archives of exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

blob = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
options = {"mysql_collate": "utf8mb4_bin", "mariadb_collate": "utf8mb4_bin"}


def upgrade():
    op.create_table(
        "export_chunk",
        sa.Column("export_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", blob, nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["export.id"], name="fk_export_chunk_export_id_export"
        ),
        sa.PrimaryKeyConstraint("export_id", "position", name="pk_export_chunk"),
        **options,
    )


def downgrade():
    op.drop_table("export_chunk")
