"""A health check, for monitoring."""

from flask import Blueprint
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from .extensions import db

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> tuple[dict[str, str], int, dict[str, str]]:
    """Tell whether the database and Redis answer. The reason for a failure is only in the log."""
    answers = {"database": "ok", "redis": "ok"}
    try:
        db.session.execute(select(1))
    except SQLAlchemyError as error:
        current_app.logger.error("The database does not answer: %s", error)
        answers["database"] = "no answer"
    try:
        options = current_app.config["RATELIMIT_STORAGE_OPTIONS"]
        with Redis.from_url(current_app.config["REDIS_URL"], **options) as redis:
            redis.ping()
    except RedisError as error:
        current_app.logger.error("Redis does not answer: %s", error)
        answers["redis"] = "no answer"
    status = 200 if set(answers.values()) == {"ok"} else 503
    return answers, status, {"Cache-Control": "no-store"}
