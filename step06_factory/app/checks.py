"""Choose the settings, and check them before anything starts."""

import os
from collections.abc import Iterator

from config import CONFIGS
from config import Config
from config import Production
from config import Testing


def find_config(config: str | Config | type[Config] | None = None) -> Config:
    """Return the settings of that name, by default those of APP_CONFIG. Exit if they are wrong."""
    if config is None:
        config = os.environ.get("APP_CONFIG", "development")
    if isinstance(config, str):
        if config not in CONFIGS:
            raise SystemExit(f"APP_CONFIG is “{config}”. It can be: {', '.join(CONFIGS)}.")
        config = CONFIGS[config]
    if isinstance(config, type):
        config = config()
    if problems := list(find_problems(config)):
        raise SystemExit("\n".join(problems))  # flask, gunicorn and celery print it and end
    return config


def find_problems(config: Config) -> Iterator[str]:
    """Yield a line for each setting that is missing or wrong."""
    if isinstance(config, Production) and len(config.SECRET_KEY.encode()) < 32:
        yield "Production needs the variable SECRET_KEY: a random text of 32 bytes."
    if isinstance(config, Production) and not config.SQLALCHEMY_DATABASE_URI:
        yield "Production needs the variable DATABASE_URL: the address of the database."
    is_in_memory = config.SQLALCHEMY_DATABASE_URI in ("sqlite://", "sqlite:///:memory:")
    if is_in_memory and not isinstance(config, Testing):
        yield "DATABASE_URL is a database in memory, which each process would have for itself."
    if isinstance(config, Production) and config.MAIL_URL and not config.TRUSTED_HOSTS:
        yield "MAIL_URL needs TRUSTED_HOSTS: without it, a mail could link to any host."
    if str(config.TRUSTED_PROXIES) not in ("0", "1", "2", "3"):
        yield f"TRUSTED_PROXIES is “{config.TRUSTED_PROXIES}”. It must be a number from 0 to 3."
    if config.WECHAT_APP_ID and not config.WECHAT_APP_SECRET:
        yield "WECHAT_APP_ID is set, but WECHAT_APP_SECRET is not: set both, or none."
    if config.WECHAT_URL and not config.WECHAT_URL.startswith(("http://", "https://")):
        yield f"WECHAT_URL is “{config.WECHAT_URL}”. It must begin with http:// or https://."
