"""The stand-in for WeChat's servers at work, and people who log in by it."""

import os
import sys
from urllib.parse import urlsplit

from common import stack
from common.stack import free_port
from common.steps import ROOT
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until

LOGIN = "/auth/wechat/login"


class StandIn:
    """`common/wechat_standin.py` as a process of its own."""

    def __init__(self) -> None:
        self.folder = new_folder()
        port = free_port()
        self.variables = stack.wechat_variables(port)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        command = [sys.executable, *stack.wechat_command(port).argv[1:]]
        log = Log(self.folder / "wechat.txt")
        self.process = Process(command, cwd=self.folder, env=env, log=log)
        wait_until(lambda: answers(port), "the stand-in for WeChat listens on its port")

    @property
    def url(self) -> str:
        return self.variables["WECHAT_URL"]

    @property
    def output(self) -> str:
        return self.process.output

    def close(self) -> None:
        self.process.kill()
        remove_folder(self.folder)


def to_wechat(browser: Browser, path: str = LOGIN) -> Page:
    """Go to WeChat's page, where a person approves or refuses."""
    page = browser.get(path)
    there = page.status == 200 and urlsplit(page.url).path == "/connect/qrconnect"
    assert there, f"{page}; {path} should lead to WeChat's page:\n{page.text[:500]}"
    return page


def answer(
    browser: Browser, page: Page, account: str, nickname: str = "Ada", fault: str = "", **more: str
) -> str:
    """Answer on WeChat's page; return the address that WeChat sends the browser to."""
    data = {"account": account, "nickname": nickname, "fault": fault, "answer": "approve"} | more
    back = browser.http.post(page.url, data=data, allow_redirects=False, timeout=30)
    location = back.headers["Location"]
    callback = f"{browser.server.url}/auth/wechat/callback?"
    assert location.startswith(callback), f"WeChat was told to send people to {location}"
    return location.removeprefix(browser.server.url)


def log_in(
    browser: Browser, account: str, nickname: str = "Ada", *, path: str = LOGIN, **more: str
) -> Page:
    """Go the whole way as somebody with that account at WeChat; return the page at its end."""
    return browser.get(answer(browser, to_wechat(browser, path), account, nickname, **more))
