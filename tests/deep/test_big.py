"""Many posts: memory stays as it is, and the time is in proportion."""

import json
import re
import statistics
import time

import psutil
import pytest

from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.faults import pool_children
from tests.support.processes import Process
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("big"),
    pytest.mark.not_on_mysql("memory and time of the app; test_mysql.py has a large archive"),
]

SMALL, BIG = 1000, 20_000
MIB = 2**20
# What BIG may take more than SMALL.
WORKER_MEMORY = 64 * MIB
WEB_MEMORY = 10 * MIB
TIME_PER_POST = 1.2
# What saying how far it is may cost of an export's time.
REPORTING = 0.05

# Exports of one person in turns, with the usual reports and with next to none; prints seconds. The
# least of each is what was disturbed least, so more turns come closer to the truth.
ON_AND_OFF = """
import json
import sys
import time
from flask.cli import ScriptInfo

flask_app = ScriptInfo().load_app()
from app import leases
from app import tasks
from app.extensions import db
from app.models import Export
from app.models import User

usual = tasks.REPORT_INTERVAL, leases.HEARTBEAT_INTERVAL
seldom = 1e9, 1e9

def export(every):
    tasks.REPORT_INTERVAL, leases.HEARTBEAT_INTERVAL = every
    with flask_app.app_context():
        row = Export(owner_id=User.find(sys.argv[1]).id)
        db.session.add(row)
        db.session.commit()
        export_id = row.id
    began = time.process_time()
    result = tasks.export_posts.apply([export_id], task_id=export_id)
    assert result.state == "SUCCESS", result.traceback
    return time.process_time() - began

def cost(pairs):
    usual, seldom = map(min, zip(*pairs))
    return usual / seldom - 1

export(usual)
pairs = []
while len(pairs) < 3 or len(pairs) < 12 and cost(pairs) > float(sys.argv[2]):
    pairs.append((export(usual), export(seldom)))
print(json.dumps(pairs))
"""


@pytest.fixture(scope="module")
def people(lab: Lab) -> list[Author]:
    return lab.authors(SMALL, BIG)


class Measured:
    """An export, with what the child of the worker that did it took."""

    def __init__(self, worker: Process, author: Author) -> None:
        (child,) = pool_children(worker)
        before = child.cpu_times()
        self.memory = 0
        self.export = author.export()
        self.export.wait(lambda _: self.sample(child), "it ends as SUCCESS", seconds=240)
        after = child.cpu_times()
        self.per_post = (after.user + after.system - before.user - before.system) / author.posts
        took = re.search(rf"{self.export.id}\] succeeded in ([\d.]+)s", worker.output)
        wall = f", {float(took[1]):.2f} s in all" if took else ""
        seen(
            f"{author.posts:,} posts: {self.memory / MIB:.1f} MiB at most, "
            f"{self.per_post * 1000:.3f} ms of a processor a post{wall}"
        )

    def sample(self, child: psutil.Process) -> bool:
        self.memory = max(self.memory, child.memory_info().rss)
        return self.export.last["state"] == "SUCCESS"


@pytest.fixture(scope="module")
def measured(lab: Lab, people: list[Author]) -> dict[int, list[Measured]]:
    """Small exports and a big one by the same worker, the small ones around the big one."""
    small, big = people
    worker = lab.start_worker()
    warm = Measured(worker, small)
    found = {SMALL: [Measured(worker, small)], BIG: [Measured(worker, big)]}
    found[SMALL].append(Measured(worker, small))
    assert warm.export.ended
    return found


def test_the_worker_needs_no_more_memory_for_more_posts(measured):
    """An export of 20,000 posts takes the worker little more memory than one of 1,000."""
    small = measured[SMALL][0].memory
    big = measured[BIG][0].memory
    seen(f"{BIG:,} posts take {(big - small) / MIB:.1f} MiB more than {SMALL:,}")
    assert big - small < WORKER_MEMORY, (
        f"{(big - small) / MIB:.0f} MiB more: what is all in memory?"
    )


def test_the_time_of_an_export_is_proportional_to_its_posts(measured):
    """A post takes the same time to export, however many there are."""
    small = statistics.median(m.per_post for m in measured[SMALL])
    ratio = measured[BIG][0].per_post / small
    seen(f"the time of a post among {BIG:,} is {ratio:.2f} of that among {SMALL:,}")
    assert ratio <= TIME_PER_POST, f"with {BIG:,} posts each one takes {ratio:.2f} times as long"


def test_a_download_is_streamed(lab, measured):
    """A large archive is streamed: it begins at once, and takes the web server no memory."""
    web = psutil.Process(lab.web.pid)
    small, big = measured[SMALL][0].export, measured[BIG][0].export
    for export in (small, big):
        download(export)
    before = web.memory_info().rss
    sizes = [download(big, web) for _ in range(3)]
    seen(
        f"three times {sizes[0][0] / MIB:.1f} MiB downloaded, first byte after {sizes[0][1]:.3f} s"
    )
    grown = max(most for _, _, most in sizes) - before
    seen(f"the web process grew by {grown / MIB:.1f} MiB")
    assert grown < WEB_MEMORY, f"the web process grew by {grown / MIB:.0f} MiB"
    assert sizes[0][1] < 0.5, f"the first byte came after {sizes[0][1]:.1f} s: is it streamed?"


def download(export: Export, web: psutil.Process | None = None) -> tuple[int, float, int]:
    """Return the size, the time to the first byte, and the most memory that the web took."""
    size = most = 0
    first = None
    began = time.monotonic()
    url = f"{export.server.url}{export.path}/archive"
    with export.owner.http.get(url, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
        promised = int(answer.headers["Content-Length"])
        for data in answer.iter_content(MIB // 4):
            first = first or time.monotonic() - began
            size += len(data)
            most = max(most, web.memory_info().rss if web else 0)
    assert size == promised, f"{size} of {promised} bytes came"
    return size, first, most


@pytest.mark.ours
def test_reporting_progress_costs_little_time(lab, people):
    """Reporting its progress makes an export at most a few percent slower."""
    result = lab.project.python("-c", ON_AND_OFF, people[0].username, str(REPORTING), seconds=120)
    assert result.code == 0, str(result)
    pairs = json.loads(result.output.splitlines()[-1])
    usual, seldom = (min(times) for times in zip(*pairs, strict=True))
    seen(f"{SMALL:,} posts take {usual:.3f} s with reports and {seldom:.3f} s without: {pairs}")
    cost = usual / seldom - 1
    seen(f"reporting costs {cost:.1%}")
    assert cost < REPORTING, f"reporting costs {cost:.1%} of the time"
