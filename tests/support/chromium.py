"""A real browser: Chromium with its scripts at work, driven by Selenium as a person drives it."""

import json
import os
import shutil
from urllib.parse import urlsplit

import pytest

from tests.support.browser import Browser
from tests.support.needed import CHROMIUM
from tests.support.needed import DEV_PACKAGES
from tests.support.processes import new_folder
from tests.support.processes import own_group
from tests.support.processes import remove_folder
from tests.support.processes import the_reaper
from tests.support.processes import wait_until

# No sandbox: root, as CI is, gets none. The rest keeps Chromium from calling its makers.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class Chromium:
    """One browser with one tab. It keeps what its console says and which addresses it asks for."""

    def __init__(self) -> None:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        chromedriver = shutil.which("chromedriver")
        webdriver = pytest.importorskip("selenium.webdriver", reason=DEV_PACKAGES.reason)
        if program is None or chromedriver is None:
            pytest.skip(CHROMIUM.reason)
        self.folder = new_folder()
        self.console: list[str] = []
        self.requests: list[str] = []
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in (*FLAGS, f"--user-data-dir={self.folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        home = str(self.folder)
        env = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
        driver = webdriver.ChromeService(chromedriver, env=env, popen_kw=own_group())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("no_proxy", "localhost,127.0.0.1")
            self.tab = webdriver.Chrome(options, driver)
        self._group = driver.process.pid  # the driver's, and the browser's too
        the_reaper().tell("watch", "process", self._group)

    def close(self) -> None:
        """End the browser and delete its profile."""
        self.tab.quit()
        the_reaper().tell("forget", "process", self._group)
        remove_folder(self.folder)

    def cdp(self, command: str, **parameters: object) -> object:
        """Send a command of Chromium's own protocol."""
        return self.tab.execute_cdp_cmd(command, parameters)

    def reset(self, visitor: Browser, *, width: int = 1000, dark: bool = False) -> "Chromium":
        """Become the browser of ``visitor``: with these cookies, and nothing from before."""
        self.open_nothing()
        self.cdp("Network.clearBrowserCookies")
        self.cdp("Network.setBlockedURLs", urls=[])
        for cookie in visitor.http.cookies:
            self.cdp(
                "Network.setCookie", name=cookie.name, value=cookie.value, url=visitor.server.url
            )
        self.cdp("Emulation.setFocusEmulationEnabled", enabled=True)
        self.set_width(width)
        self.prefer(color_scheme="dark" if dark else "light")
        self.read_logs()
        self.console.clear()
        self.requests.clear()
        self.base = visitor.server.url
        return self

    def read_logs(self) -> None:
        """Take over what happened since this was called for the last time."""
        for entry in self.tab.get_log("browser"):
            self.console.append(f"{entry['level']}: {entry['message']}")
        for entry in self.tab.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])

    def trouble(self) -> str:
        """Return what is in the console, and which other hosts were asked; empty if all is well."""
        self.read_logs()
        here = urlsplit(self.base).netloc
        others = [url for url in self.requests if urlsplit(url).netloc not in ("", here)]
        lines = [f"The page needs another host: {url}" for url in others]
        return "\n".join(lines + [f"The console has: {line}" for line in self.console])

    def check_logs(self) -> None:
        """Fail if there is trouble."""
        assert not (trouble := self.trouble()), trouble

    def forget_console(self) -> None:
        """Take what is in the console so far as expected."""
        self.read_logs()
        self.console.clear()

    @property
    def paths(self) -> list[str]:
        """What the pages asked the server for, in that order."""
        self.read_logs()
        return [urlsplit(url).path for url in self.requests]

    def open(self, path: str) -> None:
        self.tab.get(self.base + path)

    def open_nothing(self) -> None:
        """Leave the page, so that no script of it goes on."""
        self.cdp("Page.navigate", url="about:blank")

    def set_width(self, width: int) -> None:
        """Give the screen a width in pixels."""
        metrics = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, **wishes: str) -> None:
        """Say what a person has set, such as ``color_scheme="dark"``."""
        features = [
            {"name": name if name == "forced-colors" else f"prefers-{name}", "value": value}
            for name, value in ((key.replace("_", "-"), value) for key, value in wishes.items())
        ]
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def js(self, expression: str, *arguments: object) -> object:
        """Return the value that an expression has on the page."""
        return self.tab.execute_script(f"return {expression}", *arguments)

    def wait(self, expression: str, what: str, seconds: float = 10) -> object:
        """Wait until an expression is true on the page."""
        return wait_until(lambda: self.js(expression), what, seconds=seconds)

    def click(self, selector: str) -> None:
        """Click on the first visible element, as soon as there is one."""

        def visible() -> object:
            found = self.tab.find_elements("css selector", selector)
            return next((element for element in found if element.is_displayed()), None)

        wait_until(visible, f"{self.tab.current_url} shows “{selector}”").click()

    def press(self, *keys: str) -> None:
        """Press keys, such as "Tab" and "Enter", or type a text."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver import Keys

        chain = ActionChains(self.tab, duration=0)
        for key in keys:
            chain.send_keys(getattr(Keys, key.upper(), key))
        chain.perform()

    def tab_to(self, selector: str) -> list[str]:
        """Press Tab until the focus is on that element; return what all stops are called."""
        stops: list[str] = []
        while not self.js("document.activeElement.matches(arguments[0])", selector):
            assert len(stops) < 50, f"Tab does not reach “{selector}”; it stops at {stops}"
            self.press("Tab")
            stops.append(self.focused())
        return stops

    def focused(self) -> str:
        """Return what the element with the focus is called, as a screen reader would say it."""
        return self.tab.switch_to.active_element.accessible_name
