"""A fix for kombu 5.7.0: a worker must survive the loss of Redis. Delete it when kombu has one.

There is no report at kombu yet. The one to file: “Redis: to acknowledge a late task after the
connection was lost raises AttributeError: 'NoneType' object has no attribute 'client'”. The channel
of the task is closed then, and ``_connparams`` does not check its ``connection``. This ends the
worker. Celery handles a ConnectionError: it logs it, connects again, and goes on.
"""

from typing import Any

from celery.signals import celeryd_init
from kombu.transport import redis
from redis.exceptions import ConnectionError


class Channel(redis.Channel):
    """A channel that raises ConnectionError when its connection is closed."""

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("The connection to Redis that brought this task is closed.")
        return super()._connparams(*args, **kwargs)


@celeryd_init.connect
def use_channel(**_: object) -> None:
    """Use this channel in the worker, and only there."""
    redis.Transport.Channel = Channel
