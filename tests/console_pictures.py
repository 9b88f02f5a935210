"""
Pictures of every page of the console for the handbook, light and dark: `console_pictures.py [FOLDER]`.

Needs chromium and chromedriver. Each picture is at most 1000 pixels wide and 60 kB in size.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from console_example import BODY, fill
from console_school import School, open_school, rule
from console_site import PASSWORD
from PIL import Image

from adapters.training.recipe import Recipe
from bot.app import train_adapter, training_rows
from bot.ports import silent
from bot.work import WORKERS

FOLDER = Path(__file__).parents[1] / "knowledge" / "handbook" / "pictures"
WIDTH, HEIGHT = 1000, 900  # of the window; a picture ends where its page does
LARGEST = 60_000  # bytes
THEMES = ("light", "dark")
LESSONS = range(20, 50)  # of the school
PAGES = {
    "signin": ("/signin", 560),
    "review": ("/review", HEIGHT),
    "learn": ("/learn", HEIGHT),
    "domain": ("/learn/domain/billing", 1100),
    "version": ("/learn/domain/billing/version/1", 1100),
    "knowledge": ("/knowledge", HEIGHT),
    "documents": ("/knowledge/in/billing", HEIGHT),
    "gaps": ("/knowledge/gaps", HEIGHT),
    "prompts": ("/prompts", HEIGHT),
    "prompt": ("/prompts/of/domain/answer", HEIGHT),
    "overview": ("/overview?days=90", 1000),
    "people": ("/people", HEIGHT),
    "audit": ("/audit", 700),
}


async def main(folder: Path) -> None:
    """Write the pictures into *folder*."""
    with tempfile.TemporaryDirectory() as state:
        async with open_school(Path(state), shelf=False) as school:
            await fill(school.site.database, school.site.parts)
            await stock(school, Path(state) / "manuals")
            await teach(school)
            await asyncio.to_thread(take, str(school.site.client.make_url("")).rstrip("/"), folder)


async def stock(school: School, folder: Path) -> None:
    """Documents for both domains."""
    for name, text in BODY.items():
        domain = "billing" if name in ("refunds.md", "invoices.md", "fees.md") else "travel"
        (folder / domain).mkdir(parents=True, exist_ok=True)
        (folder / domain / name).write_text(f"# {name[:-3].title()}\n\n{text}\n")
    for number in LESSONS:
        (folder / "billing" / f"rules{number}.md").write_text(f"# Rule {number}\n\n{rule(number)}\n")
    for domain in ("billing", "travel"):
        await work(school, "ingest", domain, paths=[str(folder / domain)], access=["everyone"], prune=True)


async def teach(school: School) -> None:
    """A dataset, a training of the tiny model, the gate's verdict, and a canary."""
    await school.ask(*LESSONS, approved=True)
    dataset = await work(school, "dataset", "billing", kind="sft", seed=17)
    rows = await training_rows(school.here.settings, "billing", dataset["version"])
    recipe = Recipe(learning_rate=0.01, max_steps=40, rehearsal=0)
    made = await asyncio.to_thread(train_adapter, school.here.settings, "billing", rows, recipe)
    await school.sit(made.label)
    await work(school, "promote", "billing", version=made.version, share=0.2)


async def work(school: School, job: str, domain: str, **more: object) -> Any:
    return await WORKERS[job](school.here, {"domain": domain, "by": "ada@example.com", **more}, silent)


def take(address: str, folder: Path) -> None:
    """Visit every page at *address* as an admin; those that are not there are passed over."""
    with browser() as driver:
        for name, (path, height) in PAGES.items():
            if name == "review":
                sign_in(driver, address)
            driver.get(address + path)
            if "That did not work" in driver.title or not driver.find_elements("css selector", "h1"):
                print(f"{path}: not there", file=sys.stderr)
                continue
            driver.execute_async_script("setTimeout(arguments[0], 1500)")  # what scripts add to a page
            for theme in THEMES:
                show_in(driver, theme, height)
                write(folder / f"console-{name}-{theme}.png", driver.get_screenshot_as_png())


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's chromium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def sign_in(driver: Any, address: str) -> None:
    """Sign in as the admin."""
    driver.get(f"{address}/signin")
    driver.find_element("id", "name").send_keys("admin")
    driver.find_element("id", "password").send_keys(f"{PASSWORD}\n")
    driver.execute_async_script("setTimeout(arguments[0], 1500)")


def show_in(driver: Any, theme: str, height: int) -> None:
    """Have the page shown in *theme*, no higher than it is."""
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    metrics = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_async_script("setTimeout(arguments[0], 300)")


def write(path: Path, png: bytes) -> None:
    """Write a picture with as many colours as fit into LARGEST bytes."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    for colours in (128, 64, 32, 16):
        data = BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
        if data.tell() <= LARGEST:
            break
    path.write_bytes(data.getvalue())
    print(f"{path}: {data.tell()} bytes", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
