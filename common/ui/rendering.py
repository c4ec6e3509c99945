"""Markdown as HTML: CommonMark and tables, safe to put into a page, and bounded.

No text of 10,000 characters, which is what a post may have, takes more than 20 times as long as
an ordinary one, or becomes more than a megabyte. Where markdown-it has no bound of its own, there
is a rule for it here. What is over a bound is shown as it was written.
"""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline import emphasis
from markdown_it.token import Token
from markdown_it.utils import EnvType
from markdown_it.utils import OptionsDict
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter

from .lexers import lexer_for

# One name for each part of code, coloured by highlight.css, so that no page needs inline styles.
formatter = HtmlFormatter(nowrap=True)
# How many characters all addresses and titles of links may have together. A link costs three
# characters where it uses a definition (`[a]: https://…`), and each use repeats the definition.
MAX_ATTRIBUTES = 100_000
# How many cells all tables may have together; `|a|b|` has three characters for each.
MAX_CELLS = 3_500
# How often lines may be looked at; 10,000 characters of lines as short as can be need 10,000.
MAX_STEPS = 12_000
# How deep lists, quotations and links may be in each other. A list counts twice, for its items.
MAX_NESTING = 16


def highlight_code(code: str, language: str, attributes: str) -> str:
    """Return ``code`` as HTML with coloured parts, or "" where the language has no lexer here."""
    lexer = lexer_for(language)
    return str(highlight(code, lexer, formatter)) if lexer else ""


def as_written(text: str) -> Token:
    """Return a block that shows a text with its marks and line ends."""
    return Token("code_block", "code", 0, content=text)


class TooMuch(Exception):
    """A text asks for more work than its length is worth."""


def lines_of_block(state: StateBlock, start: int, end: int) -> range:
    """Return the lines up to the next empty one."""
    return range(start, next((line for line in range(start, end) if state.isEmpty(line)), end))


def count_steps(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Stop where lines are read again and again: lists and quotations in each other.

    This is the first of the rules for blocks, so it is called each time that a line is looked at.
    Nor is anything lost: what is nested deeper than it allows, markdown-it would leave out.
    """
    lines = 1
    if not silent and state.src.startswith(">", state.bMarks[start] + state.tShift[start]):
        lines += len(lines_of_block(state, start, end))  # it looks for the end of the quotation
    state.env["steps"] = state.env.get("steps", 0) + lines
    if state.env["steps"] > MAX_STEPS or state.level >= MAX_NESTING - 2:
        raise TooMuch
    return False


def count_cells(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a table, as long as all tables together have no more than MAX_CELLS cells.

    A row may leave cells out: a wide first row and many short ones are a million empty cells.
    """
    if state.env.get("cells", 0) > MAX_CELLS or not table(state, start, end, True):
        return False
    if silent:
        return True
    rule = state.src[state.bMarks[start + 1] : state.eMarks[start + 1]]
    columns = sum("-" in part for part in rule.split("|"))
    cells = columns * len(lines_of_block(state, start, end))
    state.env["cells"] = state.env.get("cells", 0) + cells
    return state.env["cells"] <= MAX_CELLS and bool(table(state, start, end, False))


def emphasis_beside_cjk(state: StateInline, silent: bool) -> bool:
    """Read `*` and `**` between words that no spaces divide: `**注意：**请先登录。`.

    CommonMark asks for a space or a mark after the closing stars, where a mark is before them.
    Chinese, Japanese and Korean have none there, so beside their characters (Unicode calls them
    wide) only a space keeps stars from opening or closing. This is what `markdown-cjk-friendly`
    specifies, https://github.com/tats-u/markdown-cjk-friendly; its port to Python is not for
    markdown-it-py 4.
    """
    start = state.pos
    if not emphasis.tokenize(state, silent):
        return False
    before = state.src[start - 1] if start else " "
    after = state.src[state.pos] if state.pos < state.posMax else " "
    if state.src[start] == "*" and (is_wide(before) or is_wide(after)):
        for delimiter in state.delimiters[start - state.pos :]:
            delimiter.open = not after.isspace()
            delimiter.close = not before.isspace()
    return True


def is_wide(character: str) -> bool:
    """Tell whether a character is as wide as a Chinese one, or the narrow form of such a one."""
    return unicodedata.east_asian_width(character) in ("W", "F", "H")


def bound_attributes(state: StateCore) -> None:
    """Show a text as it was written, if its links would make a page of many megabytes."""
    children = (child for token in state.tokens for child in token.children or ())
    lengths = (len(str(value)) for child in children for value in child.attrs.values())
    if sum(lengths) > MAX_ATTRIBUTES:
        raise TooMuch


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
parser = MarkdownIt(
    "commonmark", {"html": False, "highlight": highlight_code, "maxNesting": MAX_NESTING}
)
parser.enable("table").disable("image")
parser.block.ruler.before(
    "table", "steps", count_steps, {"alt": ["paragraph", "reference", "blockquote", "list"]}
)
parser.block.ruler.at("table", count_cells, {"alt": ["paragraph", "reference"]})
parser.inline.ruler.at("emphasis", emphasis_beside_cjk)
parser.core.ruler.push("bound_attributes", bound_attributes)
parser.core.ruler.push("align_by_class", align_by_class)
parser.core.ruler.push("lower_headings", lower_headings)
for block in "fence", "code_block":
    parser.add_render_rule(block, code_to_scroll)
parser.add_render_rule("table_open", table_to_scroll)
parser.add_render_rule("table_close", end_of_table)


# The same text is the same HTML, which takes 10 ms to make where there is much code, and 3 µs to
# find. A text is at most a megabyte of HTML, so all that is kept is 64 at most.
@lru_cache(maxsize=64)
def render(text: str) -> Markup:
    """Return Markdown as HTML that is safe to put into a page.

    Code is coloured where LEXERS has its language. Nothing in the text is an error.
    """
    try:
        return Markup(parser.render(text))
    except TooMuch:
        return Markup(parser.renderer.render([as_written(text)], parser.options, {}))
