"""The look that all steps share: a blueprint with styles, a favicon, form macros and a filter.

Register it with ``app.register_blueprint(ui.bp)``. It brings

- ``url_for('ui.static', filename=…)``: ``pico.min.css`` (Pico CSS 2.1.1), ``ui.css``,
  ``highlight.css`` (made by ``python -m common.ui``) and ``favicon.svg``;
- ``{% from "ui/forms.html" import field %}``: a form field with its label and errors;
- ``{{ text | markdown }}``: Markdown as safe HTML;
- ``{{ time | when }}``: a time in UTC, which ``times.js`` shows in the reader's own time zone.
"""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint
from flask import Response
from flask import session
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType
from markdown_it.utils import OptionsDict
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# No bp.errorhandler, no bp.before_request: what an app does is the lesson, and stays in the steps.
bp = Blueprint(
    "ui", __name__, static_folder="static", static_url_path="/ui", template_folder="templates"
)

# One name for each part of code, coloured by highlight.css, so that no page needs inline styles.
formatter = HtmlFormatter(nowrap=True)


def highlight_code(code: str, language: str, attributes: str) -> str:
    """Return ``code`` as HTML with coloured parts, or "" where the language is not known."""
    try:
        return str(highlight(code, get_lexer_by_name(language), formatter))
    except ClassNotFound:
        return ""


def align_by_class(state: StateCore) -> None:
    """Let ui.css align the cells of a table: a strict site forbids styles inside the HTML."""
    for token in state.tokens:
        style = str(token.attrs.pop("style", ""))
        if style.startswith("text-align:"):
            token.attrSet("class", style.replace("text-align:", "align-"))


def lower_headings(state: StateCore) -> None:
    """Begin with h2, since the page itself has the only h1, and leave no level out after that."""
    above: list[str] = []  # the heading itself and those that it is below, as they were written
    for token in state.tokens:
        if token.type == "heading_open":
            above = [*(tag for tag in above if tag < token.tag), token.tag]
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(len(above) + 1, 6)}"


# What may be wider than the page scrolls by itself, and needs a stop of the Tab key for that.
def code_to_scroll(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Return a block of code as HTML that the keyboard can scroll."""
    html = getattr(RendererHTML, tokens[index].type)(self, tokens, index, options, env)
    return str(html).replace("<pre>", '<pre tabindex="0">', 1)


def table_to_scroll(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Return the begin of a table and of a box around it that the keyboard can scroll."""
    env["tables"] = env.get("tables", 0) + 1  # each box has a name of its own
    box = f'<div class="table" role="region" aria-label="Table {env["tables"]}" tabindex="0">\n'
    return box + self.renderToken(tokens, index, options, env)


def end_of_table(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Return the end of a table and of the box around it."""
    return self.renderToken(tokens, index, options, env) + "</div>\n"


# Raw HTML is shown as text. Images stay off: they would be fetched from other people's servers.
parser = MarkdownIt("commonmark", {"html": False, "highlight": highlight_code})
parser.enable("table").disable("image")
parser.core.ruler.push("align_by_class", align_by_class)
parser.core.ruler.push("lower_headings", lower_headings)
for block in "fence", "code_block":
    parser.add_render_rule(block, code_to_scroll)
parser.add_render_rule("table_open", table_to_scroll)
parser.add_render_rule("table_close", end_of_table)


@bp.app_template_filter("markdown")
def markdown(text: str) -> Markup:
    """Return Markdown (CommonMark and tables) as HTML that is safe to put into a page."""
    return Markup(parser.render(text))


@bp.app_template_filter("when")
def when(time: datetime | str, timespec: str = "minutes") -> Markup:
    """Return a time in UTC, or its ISO format, as HTML that names the zone.

    ``times.js`` shows it in the reader's own zone, with seconds if ``timespec`` is "seconds".
    """
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    text = time.replace(tzinfo=None).isoformat(" ", timespec)
    return Markup('<time datetime="{}Z">{} UTC</time>').format(text.replace(" ", "T"), text)


@bp.after_app_request
def keep_private(response: Response) -> Response:
    """Let no browser and no proxy keep a page that belongs to a session.

    After a logout, the Back button would show it to the next person at the same computer. What says
    itself how long it may be kept, as files in ``static`` do, stays as it is.
    """
    if "Cache-Control" not in response.headers and session:
        response.headers["Cache-Control"] = "no-store"
    return response
