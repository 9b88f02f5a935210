"""The console in a real browser: Debian's chromium, driven by its chromedriver."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import lines, needed, press, serve, shown, sign_in, wait_for

from bot.desks.accounts import ROLES

pytestmark = needed
SIZES = {"wide": (1300, 900), "narrow": (400, 900)}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A console with thirty answers in a process of its own."""
    yield from serve(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, for tests that change nothing."""
    yield from serve(tmp_path_factory.mktemp("console"))


def test_twenty_answers_are_reviewed_by_keyboard_and_one_corrected(browser: Any, address: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    for number in range(20):
        press(browser, "ax"[number % 2])
        wait_for(lambda done=number + 1: lines(browser, "approved") + lines(browser, "rejected") == done)
        wait_for(lambda: shown(browser))
    press(browser, "u")
    wait_for(lambda: lines(browser, "rejected") == 9 and shown(browser))
    press(browser, "e")
    wait_for(lambda: browser.switch_to.active_element.get_attribute("id") == "right-answer")
    ActionChains(browser).send_keys("After 30 days.").key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(
        Keys.CONTROL
    ).perform()
    wait_for(lambda: lines(browser, "corrected") == 1 and shown(browser))
    press(browser, "j", "k", "m", "j", "m")
    wait_for(lambda: len(browser.find_elements("css selector", ".queue input:checked")) == 2)
    press(browser, "p")
    wait_for(lambda: lines(browser, "needs_person") == 2)

    sign_in(browser, address, "admin")
    browser.get(f"{address}/audit?who=curator")
    log = browser.find_element("tag name", "table").text
    assert log.count("curation.set") == 23 and log.count("curation.undo") == 1
    assert log.count("corrected") == 1 and log.count("needs_person") == 2


def test_typed_correction_is_lost_by_no_key(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    press(browser, "e")
    wait_for(lambda: browser.switch_to.active_element.get_attribute("id") == "right-answer")
    press(browser, " More.", Keys.ESCAPE, "a", "j")
    wait_for(lambda: shown(browser) and "More." not in in_the_box(browser))
    press(browser, "k")
    wait_for(lambda: shown(browser) and in_the_box(browser) == "Within 14 days [1]. More.")

    assert browser.find_element("id", "draft").is_displayed() and lines(browser, "approved") == 0
    browser.find_element("css selector", "[data-drop]").click()
    press(browser, Keys.ESCAPE, "a")
    wait_for(lambda: lines(browser, "approved") == 1)


def test_button_in_an_answer_takes_back_what_was_decided_about_that_answer(browser: Any, address: str) -> None:
    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    for number, key in enumerate("ax", 1):
        press(browser, key)
        wait_for(lambda done=number: lines(browser, "new") == 30 - done and shown(browser))
    press(browser, "k", "k")
    wait_for(lambda: browser.find_elements("css selector", "#pane article[data-state=approved] [data-undo]"))
    browser.find_element("css selector", "#pane [data-undo]").click()
    wait_for(lambda: lines(browser, "new") == 29 and shown(browser))

    assert (lines(browser, "approved"), lines(browser, "rejected")) == (0, 1)
    press(browser, "u")
    wait_for(lambda: lines(browser, "rejected") == 0)


def in_the_box(browser: Any) -> str:
    return str(browser.execute_script("return document.querySelector('#pane #right-answer')?.value ?? ''"))


def test_key_that_is_pressed_twice_decides_once(browser: Any, address: str) -> None:
    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    key = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true}));"
    browser.execute_script(key + key)
    wait_for(lambda: lines(browser, "approved") == 1 and shown(browser))
    time.sleep(0.5)

    assert lines(browser, "approved") == 1
    assert browser.execute_script("return document.querySelector('li[data-state=approved] + li').ariaCurrent") == "true"


def test_route_and_blame_are_chosen_by_keyboard(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    sign_in(browser, address, "curator")
    wait_for(lambda: shown(browser))
    press(browser, "r")
    wait_for(lambda: browser.switch_to.active_element.get_attribute("id") == "right-route")
    press(browser, "t", Keys.ENTER)
    wait_for(lambda: lines(browser, "rejected") == 1 and shown(browser))
    press(browser, "b")
    wait_for(lambda: browser.switch_to.active_element.get_attribute("id") == "fault")
    press(browser, "W", Keys.ENTER)
    wait_for(lambda: lines(browser, "rejected") == 2)

    sign_in(browser, address, "admin")
    browser.get(f"{address}/audit?who=curator")
    log = browser.find_element("tag name", "table").text
    assert "route: travel" in log and "fault: route" in log and "fault: wording" in log


def test_same_question_is_asked_again_beside_the_old_answer(browser: Any, untouched: str) -> None:
    sign_in(browser, untouched, "curator")
    wait_for(lambda: shown(browser))
    press(browser, "g")
    browser.find_element("css selector", "form.again button").click()

    wait_for(lambda: browser.find_elements("css selector", ".beside ins"))
    assert browser.find_element("css selector", ".beside del").text == "14"


def test_keys_are_explained_and_can_be_turned_off(browser: Any, untouched: str) -> None:
    sign_in(browser, untouched, "curator")
    wait_for(lambda: shown(browser))
    press(browser, "?")
    wait_for(lambda: browser.find_element("id", "keys").is_displayed())
    browser.find_element("id", "keys-on").click()
    browser.find_element("css selector", "#keys button").click()
    press(browser, "a", "x")
    time.sleep(0.5)
    browser.execute_script("localStorage.clear()")  # the browser is another test's too

    assert lines(browser, "new") == 30


@pytest.mark.parametrize("role", ["stranger", *ROLES])
def test_page_of_people_is_for_admins(browser: Any, untouched: str, role: str) -> None:
    browser.delete_all_cookies()
    if role != "stranger":
        sign_in(browser, untouched, role)
    browser.get(f"{untouched}/people")

    heading = browser.find_element("tag name", "h1").text
    assert heading == {"stranger": "Sign in", "admin": "People"}.get(role, "That did not work")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_no_page_shuts_anybody_out(browser: Any, untouched: str, theme: str, size: str) -> None:
    """axe-core finds nothing, nothing sticks out at 400 px, and no policy is broken."""
    import axe_core_python

    axe = next(Path(axe_core_python.__file__).parent.rglob("axe.min.js")).read_text("utf-8")
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    found = {}
    browser.delete_all_cookies()
    browser.get(f"{untouched}/signin")
    found["/signin"] = problems(browser, axe)
    sign_in(browser, untouched, "admin")
    for path in (
        "/review",
        "/review?vote=up&text=nothing",
        "/review/reply1",
        "/learn",
        "/learn/domain/billing",
        "/learn/router",
        "/knowledge",
        "/knowledge/in/billing",
        "/knowledge/search",
        "/knowledge/gaps?all=1",
        "/knowledge/upload",
        "/prompts",
        "/prompts/of/domain/answer",
        "/prompts/of/domain/answer/edit",
        "/overview",
        "/overview?platform=none",
        "/people",
        "/audit",
        "/account",
    ):
        browser.get(untouched + path)
        for summary in browser.find_elements("css selector", "main details:not([open]) > summary"):
            browser.execute_script("arguments[0].parentElement.open = true", summary)
        found[path] = problems(browser, axe)

    assert {path: problem for path, problem in found.items() if problem} == {}
    assert [entry["message"] for entry in browser.get_log("browser") if "Content Security" in entry["message"]] == []


def test_long_mark_of_an_answer_is_broken_on_a_narrow_screen(browser: Any, untouched: str) -> None:
    metrics = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    sign_in(browser, untouched, "curator")

    browser.execute_script(
        "const mark = document.createElement('span'); mark.className = 'badge hint';"
        "mark.textContent = 'enthält vielleicht persönliche Daten: EMAIL, PERSON, STREET_ADDRESS, PHONE_NUMBER';"
        "document.querySelector('.queue .meta').append(mark)"
    )

    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400


def problems(browser: Any, axe: str) -> list[str]:
    browser.execute_script(axe)
    told = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((r) => done(r.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html}`)))"
    )
    wide = browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
    return [*told, *(["something sticks out"] if wide else [])]
