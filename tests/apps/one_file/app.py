"""Study Log up to step 3 as somebody else writes it: one file, names and templates of their own."""

# ruff: noqa: E501
import os
import sqlite3
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import click
from flask import Flask
from flask import Response
from flask import abort
from flask import flash
from flask import make_response
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from flask_login import LoginManager
from flask_login import UserMixin
from flask_login import current_user
from flask_login import login_required
from flask_login import login_user
from flask_login import logout_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from jinja2 import DictLoader
from markdown_it import MarkdownIt
from markupsafe import Markup
from precis_i18n import get_profile
from sqlalchemy import event
from sqlalchemy import make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

DATA = Path(__file__).parent / "instance"
DATA.mkdir(exist_ok=True)
KEY = DATA / "key.txt"
if not KEY.exists():
    KEY.write_text(token_hex(32))

URL = os.environ.get("DATABASE_URL") or f"sqlite:///{DATA / 'diary.sqlite3'}"
try:
    make_url(URL).get_dialect().import_dbapi()
except Exception as problem:
    raise SystemExit(f"DATABASE_URL cannot be used: {problem}") from None

# -- pages ----------------------------------------------------------------------------------------

PAGES = {
    "frame": """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8">
<title>{% block name %}{% endblock %} – My diary</title>
<meta name="viewport" content="width=device-width">
<meta name="description" content="{{ self.name() }} in my diary of what I have learned.">
{% if tokens %}<meta name="csrf-token" content="{{ csrf_token() }}">{% endif %}
<link rel="icon" href="{{ url_for('picture') }}">
</head><body>
<nav><a href="{{ url_for('start') }}">Diary</a> <a href="{{ url_for('all_notes') }}">Posts</a>
<a href="{{ url_for('greet') }}">Hello</a> <a href="{{ url_for('about_me') }}">About</a>
{% if member %}<a href="{{ url_for('write') }}">Write</a>
<a href="{{ url_for('my_account') }}">{{ member.shown_name }}</a>
<form action="{{ url_for('leave') }}" method="post">{{ token() }}<button>Leave</button></form>
{% else %}<a href="{{ url_for('enter') }}">Enter</a> <a href="{{ url_for('sign_up') }}">Sign up</a>
{% endif %}</nav>
<main><h1>{{ self.name() }}</h1>
{% for text in get_flashed_messages() %}<div role="status">{{ text }}</div>{% endfor %}
{% for name, text in wrong.items() %}<p role="alert" id="wrong-{{ name }}">{{ text }}</p>{% endfor %}
{% block inside %}{% endblock %}</main></body></html>""",
    "start": """{% extends "frame" %}{% block name %}My diary{% endblock %}
{% block inside %}<p>What I learn, day by day. <a href="/hello/Ada">Hello, Ada</a></p>{% endblock %}""",
    "greet": """{% extends "frame" %}{% block name %}Hello{{ ", " ~ who if who }}{% endblock %}""",
    "about": """{% extends "frame" %}{% block name %}About{% endblock %}
{% block inside %}<p>Written in one file.</p>{% endblock %}""",
    "notes": """{% extends "frame" %}{% block name %}Posts{% endblock %}{% block inside %}
<ol reversed>{% for note in notes %}<li><a href="{{ url_for('one_note', number=note.number) }}">
{{ note.headline }}</a> <small>{{ note.writer.shown_name }},
<time datetime="{{ note.written.isoformat("T", "minutes") }}Z">{{ note.written.strftime("%Y-%m-%d %H:%M") }} UTC</time>
</small></li>{% else %}<li>Nothing yet.</li>{% endfor %}</ol>
{% if page > 1 %}<a rel="prev" href="?page={{ page - 1 }}">Newer</a>{% endif %}
{% if more %}<a rel="next" href="?page={{ page + 1 }}">Older</a>{% endif %}{% endblock %}""",
    "note": """{% extends "frame" %}{% block name %}{{ note.headline }}{% endblock %}{% block inside %}
<p><small>{{ note.writer.shown_name }},
<time datetime="{{ note.written.isoformat("T", "minutes") }}Z">{{ note.written.strftime("%Y-%m-%d %H:%M") }} UTC</time>
</small></p>{{ note.text | marked }}
{% if member == note.writer %}<a href="{{ url_for('rewrite', number=note.number) }}">Edit</a>
<a href="{{ url_for('remove', number=note.number) }}">Delete</a>{% endif %}{% endblock %}""",
    "remove": """{% extends "frame" %}{% block name %}Delete “{{ note.headline }}”?{% endblock %}
{% block inside %}<form method="post">{{ token() }}<button>Delete</button></form>
<a href="{{ url_for('one_note', number=note.number) }}">No, keep it</a>{% endblock %}""",
    "write": """{% extends "frame" %}{% block name %}{{ what }}{% endblock %}{% block inside %}
{% if seen %}<section><h2>{{ headline }}</h2>{{ text | marked }}</section>{% endif %}
<form method="post">{{ token() }}
<p><label for="t">Title</label>
<input id="t" name="title" value="{{ headline }}"{{ tied("title") }}></p>
<p><label for="b">Text</label> <small id="how">Markdown: **bold**, `code`, # heading</small>
<textarea id="b" name="body" aria-describedby="how{{ " wrong-body" if wrong.body }}"
{{ 'aria-invalid="true"' | safe if wrong.body }}>
{{ text }}</textarea></p>
<button>Publish</button> <button name="preview" value="1">Preview</button></form>{% endblock %}""",
    "form": """{% extends "frame" %}{% block name %}{{ what }}{% endblock %}{% block inside %}
<form method="post">{{ token() }}
{% for name, label, kind in fields %}<p><label for="f-{{ name }}">{{ label }}</label>
<input id="f-{{ name }}" name="{{ name }}" type="{{ kind }}"
{% if kind == "text" %}value="{{ request.form.get(name, '') }}"{% endif %}{{ tied(name) }}></p>
{% endfor %}<button>{{ what }}</button></form>
{% if what == "Account" %}<form method="post" action="{{ url_for('leave_everywhere') }}">{{ token() }}
<button>Leave on all machines</button></form>{% endif %}{% endblock %}""",
    "wrong": """{% extends "frame" %}{% block name %}{{ name }}{% endblock %}{% block inside %}
<p>{{ why }}</p><p><a href="{{ back }}">{{ "Back to the form" if form else "Go on here" }}</a></p>
{% endblock %}""",
}

Wrong = dict[str, str]  # the message beside each field

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or KEY.read_text(),
    SQLALCHEMY_DATABASE_URI=URL,
    SESSION_COOKIE_NAME="diary",
    SESSION_COOKIE_SAMESITE="Lax",
    REMEMBER_COOKIE_NAME="diary_stay",
    REMEMBER_COOKIE_SAMESITE="Lax",
    MAX_CONTENT_LENGTH=1_000_000,
    MAX_FORM_MEMORY_SIZE=1_000_000,
    WTF_CSRF_TIME_LIMIT=None,
)
app.jinja_options = {"autoescape": True}  # Flask does it only for names that end in .html
app.jinja_loader = DictLoader(PAGES)
store = SQLAlchemy(app)
gate = LoginManager(app)
gate.login_view = "enter"


@app.before_request
def every_field_has_a_name() -> None:
    if None in request.form:  # Flask-WTF looks at the names, and stumbles over one that is missing
        abort(400)


CSRFProtect(app)  # after the function above, so that it is asked first
MARKS = MarkdownIt("commonmark", {"html": False})


@app.template_filter("marked")
def marked(text: str) -> Markup:
    tokens = MARKS.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # the title is the page's <h1>
    return Markup(MARKS.renderer.render(tokens, MARKS.options, {}))


@app.context_processor
def for_all_pages() -> dict[str, object]:
    def token() -> Markup:
        value = app.jinja_env.globals["csrf_token"]()
        return Markup('<input type="hidden" name="csrf_token" value="{}">').format(value)

    member = current_user if current_user.is_authenticated else None
    return {"member": member, "token": token, "tokens": member is not None}


def page(
    template: str, status: int = 200, wrong: Wrong | None = None, **values: object
) -> Response:
    def tied(field: str) -> Markup:
        here = Markup(f' aria-invalid="true" aria-describedby="wrong-{field}"')
        return here if field in (wrong or {}) else Markup("")

    return make_response(render_template(template, tied=tied, wrong=wrong or {}, **values), status)


@app.after_request
def keep_nothing(response: Response) -> Response:
    if current_user.is_authenticated or session:
        response.headers["Cache-Control"] = "no-store"
    return response


# -- the database ---------------------------------------------------------------------------------


@event.listens_for(Engine, "connect")
def strict(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA foreign_keys = ON")


def utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Member(UserMixin, store.Model):
    __tablename__ = "members"
    number = store.Column(store.Integer, primary_key=True)
    shown_name = store.Column(store.String(30), nullable=False)
    same_name = store.Column(store.String(120), nullable=False, unique=True)
    secret = store.Column(store.String(200), nullable=False)
    ticket = store.Column(store.String(40), nullable=False, unique=True)

    def get_id(self) -> str:
        return self.ticket

    def take(self, password: str) -> None:
        self.secret = generate_password_hash(PASSWORDS.enforce(password))
        self.ticket = token_hex(20)

    def knows(self, password: str) -> bool:
        return check_password_hash(self.secret, spelled(PASSWORDS, password))


class Note(store.Model):
    __tablename__ = "notes"
    __table_args__ = {"sqlite_autoincrement": True}
    number = store.Column(store.Integer, primary_key=True)
    headline = store.Column(store.String(120), nullable=False)
    text = store.Column(store.Text, nullable=False)
    written = store.Column(store.DateTime, nullable=False, default=utc)
    writer_number = store.Column(store.ForeignKey("members.number"), nullable=False)
    writer = store.relationship(Member, backref="notes", lazy="joined")


with app.app_context():
    store.create_all()


@gate.user_loader
def member_of(ticket: object) -> Member | None:
    return Member.query.filter_by(ticket=str(ticket)).first()


# -- what may be typed ----------------------------------------------------------------------------

NAMES = get_profile("NicknameCasePreserved")
PASSWORDS = get_profile("OpaqueString")
EMPTY_LOOKING = str.maketrans("\u2800\U0001d159", "  ")


def spelled(profile: object, text: str) -> str:
    try:
        return profile.enforce(text.translate(EMPTY_LOOKING)) if len(text) < 1000 else ""
    except UnicodeEncodeError:
        return ""


def typed(name: str) -> str:
    return request.form.get(name, "") if request.mimetype != "application/json" else ""


def name_is_wrong(name: str) -> str:
    if not name:
        return "This name cannot be used."
    return "At most 30 characters, please." if len(name) > 30 else ""


def password_is_wrong(password: str) -> str:
    if not 8 <= len(password) <= 128:
        return "8 to 128 characters, please."
    return "" if spelled(PASSWORDS, password) else "This password hides a character."


def title_is_wrong(headline: str) -> str:
    if not 0 < len(headline) <= 120:
        return "A title of 1 to 120 characters, please."
    plain = headline.replace("\u200d", "")
    can_be_seen = plain.isprintable() and any(spelled(NAMES, sign) for sign in headline)
    return "" if can_be_seen else "Nobody could see this title."


def text_is_wrong(text: str) -> str:
    if not 0 < len(text) <= 10_000:
        return "A text of 1 to 10,000 characters, please."
    return "Please remove the NUL." if "\0" in text else ""


def wrong_ones(**messages: str) -> Wrong:
    return {field: message for field, message in messages.items() if message}


def onward(fallback: str = "/") -> Response:
    wanted = request.args.get("next", "")
    is_ours = wanted.startswith("/") and wanted[1:2] not in ("/", "\\")
    if not is_ours or not wanted.isprintable() or "\\" in wanted or " " in wanted:
        wanted = fallback
    return redirect(fallback if wanted.partition("?")[0] == request.path else wanted)


# -- addresses ------------------------------------------------------------------------------------


@app.get("/")
def start() -> Response:
    return page("start")


@app.get("/icon.svg")
def picture() -> Response:
    return Response("<svg xmlns='http://www.w3.org/2000/svg'/>", mimetype="image/svg+xml")


@app.get("/hello/")
@app.get("/hello/<who>")
def greet(who: str = "") -> Response:
    return page("greet", who=who)


@app.get("/about")
def about_me() -> Response:
    return page("about")


@app.get("/posts/")
def all_notes() -> Response:
    asked = request.args.get("page", "1")
    if not asked.isascii() or not asked.isdigit() or len(asked) > 9 or int(asked) < 1:
        abort(404)
    here = int(asked)
    found = Note.query.order_by(Note.number.desc()).offset((here - 1) * 20).limit(21).all()
    if here > 1 and not found:
        abort(404)
    return page("notes", notes=found[:20], more=len(found) > 20, page=here)


@app.get("/posts/<int(max=2000000000):number>")
def one_note(number: int) -> Response:
    return page("note", note=store.get_or_404(Note, number))


def edited(what: str, note: Note) -> Response:
    headline, text = note.headline or "", note.text or ""
    wrong: Wrong = {}
    if request.method == "POST":
        headline = " ".join(typed("title").split())
        text = typed("body").replace("\r\n", "\n").strip()
        wrong = wrong_ones(title=title_is_wrong(headline), body=text_is_wrong(text))
        if not wrong and "preview" not in request.form:
            note.headline, note.text = headline, text
            store.session.add(note)
            store.session.commit()
            flash("It is in the diary.")
            return redirect(url_for("one_note", number=note.number))
    seen = "preview" in request.form and not wrong
    values = {"what": what, "headline": headline, "text": text, "seen": seen}
    return page("write", wrong=wrong, **values)


@app.route("/posts/new", methods=["GET", "POST"])
@login_required
def write() -> Response:
    return edited("Write", Note(writer_number=current_user.number))


def own(number: int) -> Note:
    note = store.get_or_404(Note, number)
    if note.writer != current_user:
        abort(403)
    return note


@app.route("/posts/<int(max=2000000000):number>/edit", methods=["GET", "POST"])
@login_required
def rewrite(number: int) -> Response:
    return edited("Edit", own(number))


@app.route("/posts/<int(max=2000000000):number>/delete", methods=["GET", "POST"])
@login_required
def remove(number: int) -> Response:
    note = own(number)
    if request.method != "POST":
        return page("remove", note=note)
    store.session.delete(note)
    store.session.commit()
    flash("It is gone.")
    return redirect(url_for("all_notes"))


@app.route("/auth/register", methods=["GET", "POST"])
def sign_up() -> Response:
    fields = [
        ("username", "Name", "text"),
        ("password", "Password", "password"),
        ("again", "The same password again", "password"),
    ]
    wrong: Wrong = {}
    status = 200
    if request.method == "POST":
        name, password = spelled(NAMES, typed("username")), typed("password")
        again = "" if typed("again") in ("", password) else "These two differ."
        wrong = wrong_ones(
            username=name_is_wrong(name), password=password_is_wrong(password), again=again
        )
        if not wrong:
            member = Member(shown_name=name, same_name=name.casefold())
            member.take(password)
            store.session.add(member)
            try:
                store.session.commit()
            except IntegrityError:
                store.session.rollback()
                wrong, status = {"username": "Somebody has this name already."}, 409
            else:
                login_user(member)
                flash(f"Nice to meet you, {name}.")
                return onward()
    return page("form", status, wrong, what="Sign up", fields=fields, tokens=True)


@app.route("/auth/login", methods=["GET", "POST"])
def enter() -> Response:
    fields = [
        ("username", "Name", "text"),
        ("password", "Password", "password"),
        ("remember", "Stay here", "checkbox"),
    ]
    wrong: Wrong = {}
    if request.method == "POST":
        name = spelled(NAMES, typed("username")).casefold()
        member = Member.query.filter_by(same_name=name).first()
        if member and member.knows(typed("password")):
            login_user(member, remember="remember" in request.form)
            flash("Here you are again.")
            return onward()
        wrong = {"password": "This name and this password do not belong together."}
    return page("form", wrong=wrong, what="Enter", fields=fields, tokens=True)


@app.post("/auth/logout")
def leave() -> Response:
    logout_user()
    flash("See you.")
    return redirect(url_for("start"))


@app.post("/auth/logout-everywhere")
@login_required
def leave_everywhere() -> Response:
    current_user.ticket = token_hex(20)
    store.session.commit()
    logout_user()
    flash("You have left on all machines.")
    return redirect(url_for("start"))


@app.route("/auth/account", methods=["GET", "POST"])
@login_required
def my_account() -> Response:
    fields = [("password", "Password", "password"), ("new_password", "New one", "password")]
    wrong: Wrong = {}
    if request.method == "POST":
        is_right = current_user.knows(typed("password"))
        wrong = wrong_ones(
            password="" if is_right else "That is not it.",
            new_password=password_is_wrong(typed("new_password")),
        )
        if not wrong:
            member = store.session.get(Member, current_user.number)
            member.take(typed("new_password"))
            store.session.commit()
            login_user(member, remember="diary_stay" in request.cookies)
            flash("Changed.")
            return redirect(url_for("my_account"))
    return page("form", wrong=wrong, what="Account", fields=fields)


@app.errorhandler(HTTPException)
def went_wrong(error: HTTPException) -> Response:
    back, form, why = url_for("start"), False, error.description
    if isinstance(error, CSRFError):
        why = "This form is too old, and nothing is saved."
        routes = app.url_map.bind("")
        form = routes.test(request.path, "GET")
        back = request.full_path.rstrip("?") if form else url_for("start")
    elif request.path.startswith("/posts"):
        back = url_for("all_notes")
    response = page("wrong", error.code or 500, name=error.name, why=why, back=back, form=form)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


@app.cli.command("seed")
@click.option("--username", required=True)
@click.option("--password", required=True)
@click.option("--posts", default=10)
def seed(username: str, password: str, posts: int) -> None:
    """Fill the diary."""
    name = spelled(NAMES, username)
    member = Member.query.filter_by(same_name=name.casefold()).first()
    if not member:
        member = Member(shown_name=name, same_name=name.casefold())
        member.take(password)
    for number in range(posts):
        written = utc() - timedelta(days=posts - number)
        member.notes.append(Note(headline=f"Day {number}", text="*Much* learned.", written=written))
    store.session.add(member)
    store.session.commit()
    click.echo(f"{posts} pages in the diary of {name}")
