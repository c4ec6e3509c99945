"""Connections to the database that are lost, and that nobody misses: with --mysql only."""

import pytest

pytestmark = [pytest.mark.since(3), pytest.mark.only_on_mysql]


def test_dropped_database_connections_go_unnoticed(server, person, mariadb):
    """When the database drops its connections, no page fails and nothing is lost."""
    url = server.project.env["DATABASE_URL"]
    for path in ("/", "/posts/", "/posts/new"):
        dropped = mariadb.hang_up(url)
        assert dropped, "the app had no connection open that could be dropped"
        page = person.get(path)
        assert page.status == 200, f"{page} after the server dropped {dropped} connections"
        assert person.username in page.words, f"{page}; the login was lost with the connection"
    form = person.get("/posts/new")
    mariadb.hang_up(url)
    page = person.submit_on(form, title="After all", body="text")
    assert page.heading == "After all", f"{page}; a post was lost with the connection"
