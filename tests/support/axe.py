"""axe-core, which finds violations of the rules for accessible pages. It runs inside the page."""

import pytest

from tests.support.chromium import Chromium
from tests.support.needed import DEV_PACKAGES

# WCAG 2.0 to 2.2, levels A and AA, and what axe-core's makers advise beyond.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"target-size": {"enabled": True}},  # is off unless asked for
    "resultTypes": ["violations", "incomplete"],
}
RUN = """
const [within, options, done] = arguments;
// A long word in a <pre> that scrolls, or a line that is broken: axe-core takes it for covered by
// what it is in.
const find = ({target}) => document.querySelector(target[0]);
const scrolledOut = (node) => node.any.some(({data, relatedNodes}) =>
    data?.messageKey === "elmPartiallyObscured"
    && relatedNodes.every((other) => find(other).contains(find(node))));
const brief = (rules) => rules.map((rule) => ({
    id: rule.id, help: rule.help,
    nodes: rule.nodes.filter((node) => !scrolledOut(node)).map((node) => {
        const checks = [...node.any, ...node.all, ...node.none];
        return `${node.html.slice(0, 120)}: ${checks.map((check) => check.message).join("; ")}`;
    }),
}));
// A colour on its way to another is no colour of the page.
document.getAnimations().filter((one) => one instanceof CSSTransition)
    .forEach((one) => one.finish());
axe.run(within, options).then(
    (found) => done({
        violations: brief(found.violations),
        unsure: brief(found.incomplete),
        passed: found.passes.map((rule) => rule.id),
    }),
    (error) => done({error: String(error)}),
);
"""


def axe_source() -> str:
    """Return the script, or skip the test with what to install."""
    # The package is made for another driver; it carries the script apart from that.
    return pytest.importorskip("axe_playwright_python.base", reason=DEV_PACKAGES.reason).AXE_SCRIPT


def violations(
    tab: Chromium, *, within: str = "html", except_for: tuple[str, ...] = ()
) -> list[str]:
    """Return what axe-core finds on the page as it looks now; ``except_for`` names rules."""
    if tab.js("typeof axe === 'undefined'"):
        tab.tab.execute_script(axe_source())
    found = tab.tab.execute_async_script(RUN, within, OPTIONS)
    assert "error" not in found, found
    wrong = [rule for rule in found["violations"] if rule["id"] not in except_for]
    if "color-contrast" not in except_for:
        # All texts, and not only those that it could tell about.
        wrong += [rule for rule in found["unsure"] if rule["id"] == "color-contrast"]
        known = {rule["id"] for rule in wrong} | {*found["passed"]}
        assert "color-contrast" in known, f"axe-core did not look at any colour, only at {known}"
    return [f"{rule['help']} ({rule['id']}): {node}" for rule in wrong for node in rule["nodes"]]
