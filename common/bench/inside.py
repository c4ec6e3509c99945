"""Code that runs inside the copy of the last step, as a program of its own: `Site.python`.

Each one answers a line on standard input with a line of JSON.
"""

from __future__ import annotations

# Exports the posts of USER in this process. A line USER:MODE; the answer: seconds, peak memory,
# and the number of posts. MODE report and quiet are the task, with and without progress reports;
# plain is a loop that writes the same archive, and nothing else.
EXPORT = """
import json, resource, sys, time
from tempfile import TemporaryFile
from celery_worker import flask_app
from app import tasks
from app.archive import write_archive
from app.extensions import db
from app.models import Export, User
every = tasks.REPORT_INTERVAL
for line in sys.stdin:
    name, mode = line.strip().split(":")
    tasks.REPORT_INTERVAL = every if mode == "report" else float("inf")
    with flask_app.app_context():
        owner_id = User.find(name).id
        export = Export(owner_id=owner_id)
        db.session.add(export)
        db.session.commit()
        export_id = export.id
        began = time.perf_counter()
        if mode == "plain":
            with TemporaryFile() as file:
                for posts in write_archive(file, owner_id):
                    pass
            db.session.delete(db.session.get(Export, export_id))
            db.session.commit()
        else:
            done = tasks.export_posts.apply([export_id], task_id=export_id, throw=True)
            posts = done.result["total"]
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([seconds, memory, posts]), flush=True)
"""

# Sends an export of each user to the worker. A line of names; the answer: the ids.
SEND = """
import json, sys
from celery_worker import flask_app
from app.extensions import db
from app.models import Export, User
from app.tasks import export_posts
for line in sys.stdin:
    with flask_app.app_context():
        exports = [Export(owner_id=User.find(name).id) for name in line.split()]
        db.session.add_all(exports)
        db.session.commit()
        ids = [export.id for export in exports]
        for id in ids:
            export_posts.apply_async([id], task_id=id)
    print(json.dumps(ids), flush=True)
"""

# Reports the progress of exports, as their worker does. Its first answer: it is ready. A line: the
# number of posts, and the ids of exports. The answer: when each was reported, by id.
PROGRESS = """
import json, sys, time
from celery_worker import flask_app
from app import leases
from app.models import Export
from app.extensions import db
from app.tasks import export_posts
with flask_app.app_context():
    ids = list(db.session.scalars(db.select(Export.id)))
    attempts = {id: leases.claim(id) for id in ids}
    sys.stdin.readline()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        times = {}
        current, *watched = line.split()
        for id in watched:
            times[id] = time.monotonic()
            meta = {"current": int(current), "total": 10**6}
            export_posts.update_state(task_id=id, state="PROGRESS", meta=meta)
        print(json.dumps(times), flush=True)
        # Not with the progress: a new stream begins with what the row has.
        for id, attempt in attempts.items():
            assert leases.heartbeat(id, attempt, 0, 10**6), "the lease is lost"
"""

# Answers requests in this process. A line: a path, and how many; the answer: seconds of CPU time
# for each.
PAGES = """
import json, sys, time
from app import create_app
from werkzeug.test import EnvironBuilder
app = create_app()
for line in sys.stdin:
    path, number = line.split()
    statuses, seconds = [], 0
    for _ in range(int(number)):
        environ = EnvironBuilder(path).get_environ()
        began = time.process_time()
        response = app(environ, lambda status, headers, error=None: statuses.append(status))
        b"".join(response)
        response.close()
        seconds += time.process_time() - began
    assert set(statuses) == {"200 OK"}, statuses
    print(json.dumps(seconds / len(statuses)), flush=True)
"""

# Does things in two ways. A line: text, fields or user, and how often; the answer: seconds of CPU
# time for each, in the first and in the second way.
TWO_WAYS = """
import json, sys, time
from app import create_app
from app.auth import load_user
from app.extensions import db
from app.forms import LoginForm
from app.models import User
from common.bench.pages import long_text
from common.ui.rendering import render
from sqlalchemy import select
app = create_app()
text = long_text()
EACH = "{% for field in form if field.name in names %}"
BY_WTFORMS = EACH + "{{ field.label }}{{ field }}{% endfor %}"
IMPORT = '{% from "ui/forms.html" import field as draw %}'
BY_MACRO = IMPORT + EACH + "{{ draw(field) }}{% endfor %}"
with app.test_request_context("/auth/login"):
    form, names = LoginForm(), ("username", "password", "remember")
    session_id = db.session.scalar(select(User.session_id))
    templates = [app.jinja_env.from_string(source) for source in (BY_WTFORMS, BY_MACRO)]
    ways = {
        # A new string each time, as it comes from the database.
        "text": (lambda: render.__wrapped__(text[:-1] + "."), lambda: render(text[:-1] + ".")),
        "user": (
            lambda: db.session.scalar(select(User).where(User.session_id == str(session_id))),
            lambda: load_user(session_id),
        ),
        "fields": [lambda t=t: t.render(form=form, names=names) for t in templates],
    }
    assert text.endswith(".")
    for line in sys.stdin:
        what, number = line.split()
        times = []
        for way in ways[what]:
            began = time.process_time_ns()
            for _ in range(int(number)):
                assert "<" in str(way())  # <User 1>, too
            times.append((time.process_time_ns() - began) / int(number) / 1e9)
        print(json.dumps(times), flush=True)
"""
