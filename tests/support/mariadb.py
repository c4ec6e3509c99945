"""A MariaDB of the tests' own: on a free port, in a temporary folder, gone when they end."""

import atexit
import functools
import os
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager

import pymysql
import pytest
from sqlalchemy import make_url

from common import mysql
from common.stack import free_port
from tests.support.needed import MARIADB
from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until

# As NOTES says that a database is made.
UTF8MB4 = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


class MariaDB:
    """A server at work; `new_database` gives an empty database to whoever needs one."""

    def __init__(self) -> None:
        try:
            mysql.find_program(mysql.SERVER)
        except LookupError:
            pytest.skip(MARIADB.reason)
        self.folder = new_folder()
        self.log = Log(self.folder / "mariadb.txt")
        self.port = free_port()
        self.process: Process | None = None
        self._password = ""
        self._databases = 0

    def start(self) -> "MariaDB":
        """Start the server, or start it again on its data and at its port."""
        mysql.install(self.folder)
        self._password = self._password or mysql.new_password(self.folder)
        command = [*mysql.server_command(self.folder, self.port), *mysql.UNSAFE]
        self.process = Process(command, cwd=self.folder, env=os.environ, log=self.log)
        wait_until(self._is_ready, "MariaDB answers")
        return self

    def _is_ready(self) -> bool:
        if not self.process.running:
            wrote = "\n".join(self.process.output.splitlines()[-10:])
            raise NotReady(f"MariaDB ended at once. It wrote:\n{wrote}")
        return mysql.answers(self.port)

    def stop(self) -> None:
        """End the server; its data stays."""
        if self.process is not None:
            self.process.kill()

    @contextmanager
    def cursor(self) -> Iterator[pymysql.cursors.Cursor]:
        url = make_url(mysql.database_url(self.port, self._password))
        with (
            closing(
                pymysql.connect(
                    host=url.host,
                    port=url.port,
                    user=url.username,
                    password=url.password,
                    autocommit=True,
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def new_database(self, options: str = UTF8MB4) -> str:
        """Make an empty database, and return the DATABASE_URL that a step finds it by."""
        self._databases += 1
        name = f"{mysql.DATABASE}_{self._databases}"
        with self.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} {options}")
        return mysql.database_url(self.port, self._password, name)

    def hang_up(self, url: str) -> int:
        """Drop the connections to a database, as a restart does; return how many there were."""
        with self.cursor() as cursor:
            where = "FROM information_schema.processlist WHERE db = %s"
            cursor.execute(f"SELECT id {where}", [make_url(url).database])
            found = [number for (number,) in cursor.fetchall()]
            for number in found:
                cursor.execute(f"KILL {number}")
        return len(found)

    def close(self) -> None:
        self.stop()
        remove_folder(self.folder)


@functools.cache
def the_mariadb() -> MariaDB:
    """Return the server that all tests of this process share, started when it is first needed."""
    server = MariaDB()
    atexit.register(server.close)
    return server.start()
