"""A mend for kombu 5.7.0: a worker that loses Redis shall live on. Delete it when kombu has one.

A task that was under way when Redis went away can no longer be confirmed by the old connection.
kombu raises AttributeError there, which ends the worker. Celery is ready for a ConnectionError: it
logs that, connects anew, and goes on.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError


class Channel(redis.Channel):
    """A channel that says what is the matter when its connection is closed."""

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("The connection to Redis that this task came by is closed.")
        return super()._connparams(*args, **kwargs)


redis.Transport.Channel = Channel
