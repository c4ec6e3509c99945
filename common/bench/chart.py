"""Draws bench.svg: how fast pages are. Pygal, which draws it, is a package for developers only."""

from __future__ import annotations

from typing import Any

from .report import Figure

# Seen on a light and on a dark ground; white can be read on the first two.
OURS, AIM, LINES = "#2f6fb0", "#a8620f", "#8c959f"
LIGHT, DARK = "#1f2328", "#e6edf3"  # the text on such grounds
# Pygal's own two files, and what changes on a dark ground.
STYLES = [
    "file://style.css",
    "file://graph.css",
    f"inline:@media (prefers-color-scheme: dark) {{ text {{ fill: {DARK} !important }} "
    f".axis .line {{ stroke: {LINES} !important }} }}",
]


def draw(figures: list[Figure]) -> bytes:
    """Return the SVG. Raises ModuleNotFoundError without Pygal."""
    from pygal import HorizontalBar
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground=LIGHT,
        foreground_strong=LIGHT,
        foreground_subtle=LINES,
        colors=(OURS, AIM),
        value_colors=("#fff", "#fff"),
        opacity="1",
        font_family="system-ui, sans-serif",
        title_font_size=17,
        label_font_size=14,
        major_label_font_size=14,
        legend_font_size=14,
        value_font_size=12,
    )
    chart = HorizontalBar(
        style=style,
        css=STYLES,
        js=[],
        no_prefix=True,
        width=860,
        height=70 + 44 * len(figures),
        legend_at_bottom=True,
        margin=10,
        print_values=True,
        print_values_position="center",
        range=(0, 1),
        value_formatter=lambda value: f"{value:.3g}",
        title="Requests a second: a bare Flask page on the same server is 1",
    )
    # From the bottom up, as bars lie.
    chart.x_labels = [figure.what for figure in reversed(figures)]
    chart.add("measured", [figure.value for figure in reversed(figures)])
    chart.add("aim", [figure.at_least for figure in reversed(figures)])
    chart.add_xml_filter(_still)
    return bytes(chart.render())


def _still(root: Any) -> Any:
    """Take out what is for a page with Pygal's script: an image runs none."""
    for parent in root.iter():
        for child in list(parent):
            if str(child.tag).endswith(("script", "desc")):
                parent.remove(child)
    del root.attrib["id"]  # it is empty without a prefix
    return root
