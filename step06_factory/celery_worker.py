"""Create the app for the worker: celery -A celery_worker worker"""

from app import create_app
from app.logs import LOG_FORMAT

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
celery_app.conf.worker_log_format = LOG_FORMAT
