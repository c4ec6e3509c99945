"""Write static/highlight.css: the colours of code, in light and in dark."""

from pathlib import Path

from pygments.formatters import HtmlFormatter


def rules(style: str) -> str:
    """Return the rules of a Pygments style for code inside ``.markdown``, without backgrounds."""
    lines = HtmlFormatter(style=style).get_token_style_defs(".markdown")
    return "\n".join(line for line in lines if "background-color" not in line)


if __name__ == "__main__":
    # Both styles keep a contrast of 4.5 to 1 against the page, as WCAG AA asks for.
    dark = "@media screen and (prefers-color-scheme: dark)"  # paper is never dark
    css = f"{rules('xcode')}\n{dark} {{\n{rules('github-dark')}\n}}\n"
    (Path(__file__).parent / "static" / "highlight.css").write_text(css)
