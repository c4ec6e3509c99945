"""An export from its start to its archive, as its owner sees it by the API."""

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.processes import NotReady
from tests.support.project import tail
from tests.support.server import Server
from tests.support.story import seen

ORDER = ("PENDING", "STARTED", "PROGRESS", "SUCCESS")
FINAL = {"SUCCESS", "FAILURE", "REVOKED"}
KEYS = {"id", "state", "current", "total", "percent", "message", "created_at", "archive_url"}


@dataclass
class Export:
    """One export, and what the API has said of it so far."""

    owner: Person
    path: str
    seen: list[dict] = field(default_factory=list)
    accepted: Page | None = None

    @classmethod
    def start(cls, owner: Person) -> "Export":
        page = owner.api("POST", "/api/exports")
        assert page.status == 202, f"{page} {page.text[:300]}; a started export is answered by 202"
        assert page.headers.get("Location"), f"{page} without a Location"
        return cls(owner, page.headers["Location"], accepted=page)

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def server(self) -> Server:
        return self.owner.server

    @property
    def last(self) -> dict:
        return self.seen[-1]

    @property
    def ended(self) -> bool:
        return bool(self.seen) and self.last["state"] in FINAL

    def look(self) -> dict:
        """Ask once more how it is, and print what is new."""
        page = self.owner.get(self.path)
        assert page.status == 200, f"{page} while the export was under way"
        before = self.seen[-1] if self.seen else {"state": "", "message": ""}
        self.seen.append(page.json())
        kinds = [(a["state"], a["message"].lstrip("0123456789,")) for a in (before, self.last)]
        if kinds[0] != kinds[1]:
            seen(f"{self.id[:8]} {self.last['state']}: {self.last['message']}")
        return self.last

    def wait(
        self,
        until: Callable[[dict], object],
        what: str,
        *,
        seconds: float = 60,
        every: float = 0.1,
    ) -> "Export":
        """Ask until an answer is what a test waits for; fail if the export ends otherwise."""
        deadline = time.monotonic() + seconds
        while not until(self.look()):
            late = time.monotonic() > deadline
            if late or self.ended:
                when = f"after {seconds:g} s" if late else "in the end"
                raise NotReady(
                    f"It was expected that {what}; {when} the export is {self.last}.\n"
                    f"The workers wrote:\n{self.worker_logs()}"
                )
            time.sleep(every)
        return self

    def until_end(self, state: str = "SUCCESS", **options: float) -> "Export":
        return self.wait(lambda a: a["state"] == state, f"it ends as {state}", **options)

    def until_half_way(self, part: float = 0.3) -> "Export":
        return self.wait(
            lambda a: a["total"] and part < a["current"] / a["total"] < 1, f"{part:.0%} are done"
        )

    def cancel(self) -> Page:
        page = self.owner.api("DELETE", self.path)
        assert page.status in (200, 202, 204), f"{page}; cancelling should be 204"
        return page

    def archive(self) -> zipfile.ZipFile:
        """Download the archive, which has to be whole."""
        page = self.owner.get(self.last["archive_url"])
        assert page.status == 200, f"{page}, though the export has ended"
        archive = zipfile.ZipFile(io.BytesIO(page.response.content))
        assert archive.testzip() is None, "the archive is damaged"
        names = archive.namelist()
        assert len(names) == len(set(names)), "a file is in the archive twice"
        return archive

    def texts(self) -> list[str]:
        """Download the archive, and return its posts in Markdown."""
        with self.archive() as archive:
            return [
                archive.read(name).decode() for name in archive.namelist() if name[-3:] == ".md"
            ]

    def check_archive(self) -> None:
        """Check that there is one archive, with every post once, and no piece of another."""
        archive = self.archive()
        texts = [name for name in archive.namelist() if name.endswith(".md")]
        assert len(texts) == self.owner.posts, f"{len(texts)} of {self.owner.posts} posts are there"
        size = archive.fp.getbuffer().nbytes
        rows = self.rows("SELECT position, length(data) AS size FROM export_chunk", "export_id")
        if rows is None:
            return
        positions = sorted(row["position"] for row in rows)
        assert positions == list(range(len(positions))), f"pieces of the archive: {positions}"
        stored = sum(row["size"] for row in rows)
        assert stored == size, f"the archive has {size} bytes, and its pieces in rows {stored}"

    def row(self) -> dict:
        """Return its row in the database; empty in an app that keeps exports in another way."""
        rows = self.rows("SELECT * FROM export", "id")
        return rows[0] if rows else {}

    def rows(self, query: str, column: str) -> list[dict] | None:
        """Return the rows of a table that belong to it; None where the app has no such table."""
        table = query.rpartition(" ")[2]
        project = self.server.project
        if not project.inspect().has_table(table):
            seen(f"this app has no table “{table}” to look into")
            return None
        return project.rows(f"{query} WHERE {column} = :id", id=self.id)

    def worker_logs(self) -> str:
        """Return what the workers that had to do with it wrote last."""
        logs = [worker.output for worker in self.server.workers] or ["(there is no worker)"]
        return "\n".join(tail(log, 30) for log in logs if self.id in log) or tail(logs[-1], 30)
