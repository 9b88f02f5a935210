"""The whole loop in a real browser: review, correct, build, train, promote, roll back, and see who did it all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import lines, needed, press, serve, shown, sign_in, wait_for

from bot.learning.course import Plan, recorded

pytestmark = needed
pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("school")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A console whose work is done, in a process of its own."""
    yield from serve(folder, "console_school.py")


def review_twenty(browser: Any) -> None:
    """Approve nineteen answers and correct one, by keyboard alone."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    for number in range(19):
        press(browser, "a")
        wait_for(lambda done=number + 1: lines(browser, "approved") == done and shown(browser))
    press(browser, "e")
    wait_for(lambda: browser.switch_to.active_element.get_attribute("id") == "right-answer")
    keys = ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys("waits days")
    keys.key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    wait_for(lambda: lines(browser, "corrected") == 1)


def click(browser: Any, words: str) -> None:
    """Press the button that says *words*, as soon as there is one."""
    path = f"//main//button[starts-with(normalize-space(), '{words}')]"
    wait_for(lambda: browser.find_elements("xpath", path))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", browser.find_element("xpath", path))
    browser.find_element("xpath", path).click()


def told(browser: Any, words: str) -> None:
    """Wait until the page says by itself what came of something."""

    def says() -> bool:
        return bool(
            browser.execute_script("return document.getElementById('now')?.innerText.includes(arguments[0])", words)
        )

    wait_for(says, patience=300.0)  # a training starts a process, which takes a minute on a busy machine


def test_training_is_followed_live(browser: Any, address: str, folder: Path) -> None:
    sign_in(browser, address, "viewer")
    with recorded(folder / "training" / "travel", Plan(domain="travel", dataset="travel@1")) as on_step:
        on_step(1, 9, 2.5)
        browser.get(f"{address}/learn")
        told(browser, "step 1 of 9")
        browser.execute_script("window.same = true")
        on_step(2, 9, 1.25)
        told(browser, "step 2 of 9, loss 1.250")

        assert browser.execute_script("return window.same")  # nothing was loaded anew
        assert browser.find_element("css selector", "#now polyline").get_attribute("points").count(",") == 2
    wait_for(lambda: not browser.find_elements("css selector", "#now article"))


def test_answers_become_an_adapter_that_answers_and_is_taken_back(browser: Any, address: str, folder: Path) -> None:
    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    review_twenty(browser)
    browser.get(f"{address}/learn/domain/billing")
    click(browser, "Build a dataset")
    told(browser, "a dataset with")

    sign_in(browser, address, "admin")
    browser.get(f"{address}/learn/domain/billing")
    click(browser, "Train")
    told(browser, "billing@1 is trained")
    wait_for((folder / "adapters" / "billing" / "1.examined").exists)
    browser.find_element("xpath", "//summary[starts-with(normalize-space(), 'Promote')]").click()
    click(browser, "Promote for everybody")
    told(browser, "billing@1 answers billing now.")
    click(browser, "Roll back to the base model alone")
    told(browser, "the base model alone answers billing now.")

    browser.get(f"{address}/audit")
    log = browser.find_element("tag name", "table").text
    changes = ("adapter.rollback", "adapter.promote", "adapter.train", "training.start", "dataset.add", "corrected")
    assert [change for change in changes if change not in log] == []
    browser.get(f"{address}/audit?who=curator")
    assert browser.find_element("tag name", "table").text.count("curation.set") == 20


@pytest.mark.parametrize("path", ["/learn", "/learn/domain/billing", "/audit", "/people"])
def test_outsider_is_sent_to_the_sign_in(browser: Any, address: str, path: str) -> None:
    browser.delete_all_cookies()
    browser.get(address + path)

    assert browser.find_element("tag name", "h1").text == "Sign in"
