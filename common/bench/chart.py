"""Draws bench.svg: how fast pages are. Pygal, which draws it, is a package for developers only."""

from __future__ import annotations

from .report import Figure

# Colours that can be told apart on both grounds, and a text colour for each.
OURS, AIM = "#3b82c4", "#c9822b"
DARK = """
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6 !important; }
  .guides { stroke: #555 !important; }
}
"""


def draw(figures: list[Figure]) -> bytes:
    """Return the SVG. Raises ModuleNotFoundError without Pygal."""
    from pygal import Config
    from pygal import HorizontalBar
    from pygal.style import Style

    text = "#1f2328"
    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground=text,
        foreground_strong=text,
        foreground_subtle="#8c959f",
        colors=(OURS, AIM),
        opacity="1",
        font_family="sans-serif",
        title_font_size=16,
        label_font_size=13,
        legend_font_size=13,
        value_font_size=12,
    )
    chart = HorizontalBar(Config(js=[], css=["file://style.css"]), style=style)
    chart.title = "Requests a second; a bare Flask page on the same server is 1"
    rows = figures[::-1]
    chart.x_labels = [figure.what for figure in rows]
    chart.add("measured", [round(figure.value, 3) for figure in rows])
    chart.add("aim", [figure.at_least for figure in rows])
    return bytes(chart.render())
