"""Step 1: routes and templates. Start it with: flask run --debug"""

from datetime import date

from flask import Flask
from flask import abort
from flask import render_template
from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

app = Flask(__name__)

# A list in the file stands in for a database until step 3.
POSTS = [
    {
        "id": 1,
        "title": "A route is a function",
        "body": "The decorator ties a URL to a function; the function returns the page.",
        "created_at": date(2026, 1, 5),
    },
    {
        "id": 2,
        "title": "Templates escape",
        "body": "Write <b> in the URL of the hello page: it is shown as text, it is not run.",
        "created_at": date(2026, 1, 6),
    },
]


@app.get("/")
def home() -> str:
    """Show the home page."""
    return render_template("home.html")


@app.get("/hello/")
@app.get("/hello/<name>")
def hello(name: str | None = None) -> str:
    """Greet the name in the path; ``?greeting=`` replaces "Hello"."""
    greeting = request.args.get("greeting") or "Hello"
    return render_template("hello.html", name=name, greeting=greeting)


# No slash at the end: /about/ is a 404.
@app.get("/about")
def about() -> str:
    """Show what this site is about."""
    return render_template("about.html")


# With a slash, like a folder: /posts redirects to /posts/.
@app.get("/posts/")
def posts() -> str:
    """List the posts, newest first."""
    return render_template("posts.html", posts=POSTS[::-1])


# The converter takes only numbers: /posts/one is a 404 before this function is called.
@app.get("/posts/<int:post_id>")
def post(post_id: int) -> str:
    """Show one post."""
    for candidate in POSTS:
        if candidate["id"] == post_id:
            return render_template("post.html", post=candidate)
    abort(404, "There is no post with this number.")


# HTTPException is the base class of all HTTP errors: 404, 405, 500 and the others.
@app.errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """Show an HTTP error as a page of this site."""
    response = error.get_response()
    response.data = render_template("error.html", error=error)
    return response
