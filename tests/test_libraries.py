"""Faults of libraries that a step works around: each test fails when the library has no fault."""

import kombu
import pytest
from redis.exceptions import ConnectionError

pytestmark = [pytest.mark.since(5), pytest.mark.one_step, pytest.mark.ours]

# What a worker does with a task that ends after the connection was lost, in the step's own process.
CLOSED_CHANNEL = """
import os
import kombu
from celery.signals import celeryd_init
from flask.cli import ScriptInfo

app = ScriptInfo().load_app()
celeryd_init.send(sender="worker", instance=None, conf=app.extensions["celery"].conf)
channel = kombu.Connection(os.environ["REDIS_URL"]).channel()
channel.close()
try:
    with channel.conn_or_acquire():  # to acknowledge the task
        pass
except Exception as problem:
    print(type(problem).__module__, type(problem).__name__)
"""


@pytest.mark.since("5.kombu")
@pytest.mark.holds_before("it is about kombu")
def test_kombu_still_needs_the_fix(server):
    """kombu has the fault that app/kombu_fix.py works around."""
    channel = kombu.Connection(server.project.env["REDIS_URL"]).channel()
    channel.close()
    with pytest.raises(AttributeError) as raised, channel.conn_or_acquire():
        pytest.fail(f"kombu {kombu.__version__} has no fault here: delete app/kombu_fix.py")
    assert "'client'" in str(raised.value), f"another fault: {raised.value}"


@pytest.mark.since("5.kombu")
def test_the_fix_raises_what_celery_handles(server):
    """With the fix, a worker that lost Redis gets an error that Celery handles."""
    result = server.project.python("-c", CLOSED_CHANNEL)
    expected = f"{ConnectionError.__module__} {ConnectionError.__name__}"
    assert result.output.split("\n")[0] == expected, str(result)
