"""Settings from the environment: what cannot be used is one clear line, never a traceback."""

import pytest

from tests.support.project import Project

pytestmark = [pytest.mark.since("3.mysql"), pytest.mark.about("config.py")]


def assert_one_line(project: Project, name: str, value: str, *command: str) -> None:
    """Check that a command ends with one line that names the variable."""
    result = project.try_flask(*command, **{name: value})
    assert result.code != 0, f"{name}={value} is accepted"
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, f"{name}={value}: one line was expected. {result}"
    assert name in lines[0], f"the line does not name {name}. {result}"
    assert "secret" not in result.output, f"a password is in the terminal. {result}"


def assert_blank_is_unset(project: Project, name: str) -> None:
    """Check that a blank variable is as good as none, and a wrong one is not."""
    result = project.try_flask("routes", **{name: ""})
    assert result.code == 0, str(result)
    result = project.try_flask("routes", **{name: "wrong"})
    assert result.code != 0, f"{name}=wrong is accepted"


@pytest.mark.parametrize(
    "value",
    [
        "study_log.db",
        "postgresql://ada:secret@localhost/study_log",
        "postgres://ada:secret@localhost/study_log",
        "mysql://ada:secret@localhost/study_log",
        "mysql+pymysql://ada:secret@localhost:port/study_log",
        "'sqlite:///quoted.db'",
        "sqlite:/one-slash.db",
        "http://localhost",
    ],
)
def test_a_wrong_database_url_is_one_clear_line(project, value):
    """A DATABASE_URL that cannot be used ends a command with one line that names it."""
    assert_one_line(project, "DATABASE_URL", value, "routes")


def test_a_missing_driver_is_not_a_missing_command(project):
    """`flask db upgrade` without the database's driver names DATABASE_URL, in one line."""
    assert_one_line(project, "DATABASE_URL", "oracle://ada:secret@localhost/x", "db", "upgrade")


def test_a_blank_database_url_is_the_default(project):
    """A blank DATABASE_URL, as Docker Compose sets it, means the default."""
    assert_blank_is_unset(project, "DATABASE_URL")


@pytest.mark.since("5.celery")
@pytest.mark.parametrize(
    "value", ["http://localhost", "localhost:6379", "redis://:secret@localhost:port/0", "redis://["]
)
def test_a_wrong_redis_url_is_one_clear_line(project, value):
    """A REDIS_URL that cannot be used ends a command with one line that names it."""
    assert_one_line(project, "REDIS_URL", value, "routes")


@pytest.mark.since("5.celery")
def test_a_blank_redis_url_is_the_default(project):
    """A blank REDIS_URL means the default."""
    assert_blank_is_unset(project, "REDIS_URL")


@pytest.mark.since("5.smtp")
@pytest.mark.parametrize(
    "value",
    ["localhost:25", "http://localhost", "smtp://", "smtp://ada:secret@localhost:port", "smtp://["],
)
def test_a_wrong_mail_url_is_one_clear_line(project, value):
    """A MAIL_URL that cannot be used ends a command with one line that names it."""
    assert_one_line(project, "MAIL_URL", value, "routes")


@pytest.mark.since("5.smtp")
def test_a_blank_mail_url_is_the_default(project):
    """A blank MAIL_URL means that the worker prints the mails."""
    assert_blank_is_unset(project, "MAIL_URL")


@pytest.mark.since("6.production")
@pytest.mark.parametrize("value", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_for_tests_only(project, value):
    """A DATABASE_URL in memory is refused: each process would have a database of its own."""
    assert_one_line(project, "DATABASE_URL", value, "routes")
