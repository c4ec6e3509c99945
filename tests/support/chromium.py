"""A real browser: Chromium with its scripts at work, driven by Selenium as a person drives it."""

import json
import os
import shutil
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from common.stack import free_port
from tests.support.browser import Browser
from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.project import tail

# No sandbox: root, as CI is, gets none. The rest keeps Chromium from calling its makers.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
NEEDED = (
    "no browser to drive: `pip install selenium`, and on Debian `apt install chromium "
    "chromium-driver`"
)


class Chromium:
    """One browser with one tab. It keeps what its console says and which addresses it asks for."""

    def __init__(self) -> None:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        chromedriver = shutil.which("chromedriver")
        webdriver = pytest.importorskip("selenium.webdriver", reason=NEEDED)
        if program is None or chromedriver is None:
            pytest.skip(NEEDED)
        from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection

        self.folder = new_folder()
        self.console: list[str] = []
        self.requests: list[str] = []
        profile, port = self.folder / "profile", free_port()
        # The browser is started here and not by the driver: so the guard ends it in any case.
        flags = [*FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._browser = self._start([program, *flags], "browser")
        self._driver = self._start([chromedriver, f"--port={port}"], "driver")
        address = profile / "DevToolsActivePort"
        options = webdriver.ChromeOptions()
        self._wait_for(lambda: address.exists() and "\n" in address.read_text(), self._browser)
        options.debugger_address = f"127.0.0.1:{address.read_text().split()[0]}"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._wait_for(lambda: answers(port), self._driver)
        executor = ChromiumRemoteConnection(
            f"http://127.0.0.1:{port}", "goog", "chrome", keep_alive=True, ignore_proxy=True
        )
        self.tab = webdriver.Remote(executor, options=options)

    def _start(self, command: list[str], name: str) -> Process:
        home = str(self.folder)
        env = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
        return Process(command, cwd=self.folder, env=env, log=Log(self.folder / f"{name}.txt"))

    def _wait_for(self, condition: Callable[[], object], process: Process) -> None:
        def ready() -> object:
            if not process.running:
                raise NotReady(f"{process.command[0]} ended. It wrote:\n{tail(process.output)}")
            return condition()

        wait_until(ready, f"{process.command[0]} is ready", seconds=30)

    def close(self) -> None:
        """End the browser and delete its profile."""
        self._driver.kill()
        self._browser.kill()
        remove_folder(self.folder)

    def cdp(self, command: str, **parameters: object) -> object:
        """Send a command of Chromium's own protocol."""
        return self.tab.execute("executeCdpCommand", {"cmd": command, "params": parameters})[
            "value"
        ]

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
        for entry in self.tab.execute("getLog", {"type": "browser"})["value"]:
            self.console.append(f"{entry['level']}: {entry['message']}")
        for entry in self.tab.execute("getLog", {"type": "performance"})["value"]:
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
