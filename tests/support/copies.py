"""A database as it is at one moment, to go back to or to put into another project."""

from dataclasses import dataclass

from tests.support.project import Project


@dataclass(frozen=True)
class Table:
    """One table of a MySQL database."""

    name: str
    made_by: str
    rows: list[tuple]


# The name and the bytes of an SQLite file, or the tables of a MySQL database.
Saved = tuple[str, bytes] | list[Table]


def save(project: Project) -> Saved:
    """Return the whole database of a project."""
    if not project.is_mysql:
        return project.database.name, project.database.read_bytes()
    tables = []
    with project.engine().connect() as connection:
        for name in project.inspect().get_table_names():
            _, made_by = connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()
            rows = connection.exec_driver_sql(f"SELECT * FROM `{name}`").all()
            tables.append(Table(name, made_by, [tuple(row) for row in rows]))
    return tables


def restore(saved: Saved, project: Project) -> None:
    """Put a database into a project, in the place of what is there."""
    if isinstance(saved, tuple):
        name, content = saved
        instance = project.folder / "instance"
        instance.mkdir(exist_ok=True)
        (instance / name).write_bytes(content)
        return
    with project.engine().begin() as connection:
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        for name in project.inspect().get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
        for table in saved:
            connection.exec_driver_sql(table.made_by)
            for row in table.rows:
                marks = ", ".join(["%s"] * len(row))
                connection.exec_driver_sql(f"INSERT INTO `{table.name}` VALUES ({marks})", row)
