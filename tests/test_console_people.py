"""People and the audit log: who may sign in, who changed what, and the files that say so."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_site import PASSWORD, Site, open_site, token_in

from bot.desks.accounts import require_password
from bot.errors import InputError

OTHER = "another long password"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("admin")
        yield site


async def may_sign_in(site: Site, name: str, password: str) -> bool:
    site.client.session.cookie_jar.clear()
    csrf = token_in(await site.read("/signin"))
    return (await site.post("/signin", name=name, password=password, csrf=csrf)).status == 303


async def test_new_person_may_sign_in_and_the_log_says_who_let_them(site: Site) -> None:
    await site.post("/people", name=" Ada@Example.com ", role="curator", password=OTHER)

    entry = (await site.parts.audit.page(what="account.create ada"))[0]
    assert (entry.who, entry.before) == ("admin", None)
    assert entry.after == {"role": "curator", "disabled": False, "password": True}
    assert await may_sign_in(site, "ada@example.com", OTHER)


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "short"},
        {"password": ""},
        {"password": "ada@example.com1"},
        {"password": "aaaaaaaaaaaaaaa"},
        {"name": "two words"},
        {"name": ""},
        {"role": "boss"},
    ],
)
async def test_account_that_cannot_be_is_refused_with_a_reason(site: Site, fields: dict[str, str]) -> None:
    done = await site.post("/people", **({"name": "ada@example.com", "role": "viewer", "password": OTHER} | fields))

    assert done.status == 400
    assert await site.parts.accounts.find("ada@example.com") is None


async def test_name_can_be_taken_once(site: Site) -> None:
    done = await site.post("/people", name="VIEWER", role="admin", password=OTHER)

    assert done.status == 409 and "already" in await done.text()


async def test_role_is_changed_and_noted(site: Site) -> None:
    await site.post("/people/viewer/role", role="curator")

    (entry,) = await site.parts.audit.page(what="account.change viewer")
    assert (entry.before["role"], entry.after["role"]) == ("viewer", "curator")  # type: ignore[index]  # it holds a mapping
    assert "<del>viewer</del>" in await site.read("/audit") and "<ins>curator</ins>" in await site.read("/audit")


async def test_who_is_shut_out_cannot_sign_in_until_let_in_again(site: Site) -> None:
    await site.post("/people/viewer/disable", disabled="yes")
    out = await may_sign_in(site, "viewer", PASSWORD)
    await site.sign_in("admin")
    await site.post("/people/viewer/disable", disabled="no")

    assert (out, await may_sign_in(site, "viewer", PASSWORD)) == (False, True)


async def test_new_password_takes_the_place_of_the_old_one_and_ends_sessions(site: Site) -> None:
    await site.sign_in("viewer")
    cookies = {cookie.key: cookie.value for cookie in site.client.session.cookie_jar}
    await site.sign_in("admin")
    await site.post("/people/viewer/password", password=OTHER)
    site.client.session.cookie_jar.clear()
    site.client.session.cookie_jar.update_cookies(cookies)

    assert (await site.get("/review")).status == 303
    assert not await may_sign_in(site, "viewer", PASSWORD)
    assert await may_sign_in(site, "viewer", OTHER)


async def test_last_admin_stays_one(site: Site) -> None:
    demoted = await site.post("/people/admin/role", role="viewer")
    shut_out = await site.post("/people/admin/disable", disabled="yes")

    assert (demoted.status, shut_out.status) == (409, 400)
    assert "last admin" in await demoted.text()
    assert (await site.parts.accounts.find("admin")).role == "admin"  # type: ignore[union-attr]  # it is there


async def test_one_changes_ones_own_password_by_knowing_it(site: Site) -> None:
    await site.sign_in("viewer")
    wrong = await site.post("/account/password", current="not this one", password=OTHER, again=OTHER)
    differing = await site.post("/account/password", current=PASSWORD, password=OTHER, again=OTHER + "!")
    right = await site.post("/account/password", current=PASSWORD, password=OTHER, again=OTHER)

    assert (wrong.status, differing.status, right.status) == (400, 400, 303)
    assert (await site.get("/review")).status == 200
    assert await may_sign_in(site, "viewer", OTHER)


async def test_new_password_is_not_the_old_one(site: Site) -> None:
    done = await site.post("/account/password", current=PASSWORD, password=PASSWORD, again=PASSWORD)

    page = await done.text()
    assert done.status == 400 and 'id="password-problem" role="alert">This is the password that you have' in page


async def test_no_password_and_no_hash_is_in_a_page_or_the_log(site: Site) -> None:
    await site.post("/people", name="ada", role="viewer", password=OTHER)
    shown = await site.read("/people") + await site.read("/audit") + await (await site.get("/audit.jsonl")).text()

    assert OTHER not in shown and "argon2" not in shown


async def test_password_is_kept_as_an_argon2_hash(site: Site) -> None:
    await site.post("/people", name="ada", role="viewer", password=OTHER)

    assert (await site.parts.accounts.find("ada")).password.startswith("$argon2id$")  # type: ignore[union-attr]  # it is there


def test_password_has_an_upper_limit_too() -> None:
    with pytest.raises(InputError, match="too long"):
        require_password("long enough " * 100, "ada")


async def test_decision_is_in_the_audit_log_with_a_link_to_the_answer(site: Site) -> None:
    reply = await site.answer(1)
    await site.post("/review/decide", reply=reply, action="reject", fault="wording")

    page = await site.read("/audit?who=admin&what=curation")

    assert f'href="/review/{reply}"' in page and "<ins>rejected</ins>" in page


async def test_audit_log_is_filtered_and_paged(site: Site) -> None:
    for number in range(150):
        await site.parts.audit.record("ada", f"test.change {number}", None, {"n": number})

    first, other = await site.read("/audit?who=ada"), await site.read("/audit?who=bob")
    older = await site.read(first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&"))

    assert ("149" in first, ">49<" in first, ">49<" in older) == (True, False, True)
    assert "test.change" not in other and "Show all changes" in other


async def test_audit_log_is_exported_as_jsonl(site: Site) -> None:
    await site.parts.audit.record("ada", "test.change", {"a": 1}, {"a": 2})

    response = await site.get("/audit.jsonl?who=ada")
    (row,) = [json.loads(line) for line in (await response.text()).splitlines()]

    assert "attachment" in response.headers["Content-Disposition"]
    assert (row["who"], row["what"], row["before"], row["after"]) == ("ada", "test.change", {"a": 1}, {"a": 2})


async def test_audit_log_is_exported_as_csv_that_runs_nothing_in_a_spreadsheet(site: Site) -> None:
    await site.parts.audit.record("=cmd()", 'test, "quoted"', None, None)

    text = await (await site.get("/audit.csv?who=cmd")).text()
    (row,) = csv.DictReader(io.StringIO(text))

    assert (row["who"], row["what"], row["before"]) == ("'=cmd()", 'test, "quoted"', "")


async def test_export_holds_more_than_a_page(site: Site) -> None:
    for number in range(1005):
        await site.parts.audit.record("ada", f"test.change {number}")

    lines = (await (await site.get("/audit.jsonl?who=ada")).text()).splitlines()

    assert len(lines) == 1005


async def test_people_are_exported_without_what_proves_who_they_are(site: Site) -> None:
    await site.post("/people/viewer/disable", disabled="yes")

    text = await (await site.get("/people.jsonl")).text()
    found = {row["name"]: row for row in map(json.loads, text.splitlines())}

    assert list(found) == ["admin", "curator", "viewer"]
    assert (found["viewer"]["shut_out"], found["admin"]["role"], found["admin"]["signs_in_with"]) == (
        True,
        "admin",
        "password",
    )
    assert "argon2" not in text


async def test_what_did_not_work_leads_back_to_the_form(site: Site) -> None:
    csrf, found = await site.csrf(), []
    for referer in (str(site.client.make_url("/people?x=1")), "https://evil.example/people"):
        headers = {"Accept": "text/html", "Referer": referer}
        response = await site.client.post("/people/viewer/role", data={"csrf": csrf, "role": "?"}, headers=headers)
        found.append((await response.text()).partition("<main")[2])

    assert 'href="/people?x=1"' in found[0]
    assert 'href="/people">Go back' in found[1] and "evil" not in found[1]
