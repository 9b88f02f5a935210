"""Sign-in with the company's accounts, against an issuer on this machine."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from aiohttp import ClientResponse
from console_site import Site, account, open_site
from fake_issuer import CLIENT, SECRET, FakeIssuer, open_issuer
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from bot.console.oidc import CALLBACK, CompanySignIn
from bot.errors import SettingsError
from bot.settings import ConsoleSettings, OidcSettings, load_settings

EMAIL = "ada@example.com"


@dataclass
class Company:
    site: Site
    issuer: FakeIssuer

    async def depart(self) -> dict[str, str]:
        """Go to the company's page. Returns: what the browser brings there."""
        sent = await self.site.get("/signin/company?next=/review?state=any")
        return dict(parse_qsl(urlsplit(sent.headers["Location"]).query))

    async def arrive(self, query: dict[str, str]) -> ClientResponse:
        return await self.site.get(f"{CALLBACK}?{urlencode(query)}")

    async def sign_in(self) -> ClientResponse:
        return await self.arrive(self.issuer.authorize(await self.depart()))


@pytest.fixture(params=["refuse"])
async def company(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Company]:
    async with open_issuer() as issuer:
        oidc = OidcSettings(
            issuer=issuer.url, client_id=CLIENT, client_secret=SecretStr(SECRET), newcomers=request.param
        )
        signs_in = CompanySignIn(oidc, f"http://127.0.0.1:8080{CALLBACK}")
        async with open_site(tmp_path, settings=ConsoleSettings(oidc=oidc), company=signs_in) as site:
            yield Company(site, issuer)


async def test_person_with_an_account_comes_in_with_the_companys(company: Company) -> None:
    await company.site.parts.accounts.add(account("curator", name=EMAIL, password=None), by="admin")

    done = await company.sign_in()

    assert (done.status, done.headers["Location"]) == (303, "/review?state=any")
    assert EMAIL in await company.site.read("/account")


async def test_browser_is_sent_with_a_challenge_and_a_nonce(company: Company) -> None:
    query = await company.depart()

    assert (query["client_id"], query["response_type"], query["code_challenge_method"]) == (CLIENT, "code", "S256")
    assert query["redirect_uri"] == f"http://127.0.0.1:8080{CALLBACK}"
    assert query["nonce"] and query["state"] and "openid" in query["scope"]


async def test_account_is_known_again_after_its_address_changed(company: Company) -> None:
    await company.site.parts.accounts.add(account("viewer", name=EMAIL, password=None), by="admin")
    await company.sign_in()
    company.issuer.person["email"] = "ada.married@example.com"

    assert (await company.sign_in()).status == 303


async def test_person_without_an_account_is_refused(company: Company) -> None:
    done = await company.sign_in()

    assert done.status == 401 and "ask an admin" in await done.text()


@pytest.mark.parametrize("company", ["viewer"], indirect=True)
async def test_person_without_an_account_gets_one_where_the_settings_say_so(company: Company) -> None:
    done = await company.sign_in()

    found = await company.site.parts.accounts.find(EMAIL)
    assert done.status == 303
    assert found and (found.role, found.password) == ("viewer", None)


async def test_account_with_a_password_is_not_taken_over_by_its_address(company: Company) -> None:
    await company.site.parts.accounts.add(account("admin", name=EMAIL), by="admin")

    assert (await company.sign_in()).status == 401


async def test_address_that_the_company_has_not_verified_counts_for_nothing(company: Company) -> None:
    await company.site.parts.accounts.add(account("admin", name=EMAIL, password=None), by="admin")
    company.issuer.person["email_verified"] = False

    assert (await company.sign_in()).status == 401


async def test_person_who_is_shut_out_stays_out(company: Company) -> None:
    await company.site.parts.accounts.add(account("viewer", name=EMAIL, password=None), by="admin")
    await company.sign_in()
    await company.site.parts.accounts.change(EMAIL, by="admin", disabled=True)

    assert (await company.sign_in()).status == 401


@pytest.mark.parametrize("lies", [{"aud": "other"}, {"iss": "https://evil"}, {"exp": 1}, {"nonce": "other"}])
async def test_token_that_is_not_for_this_sign_in_is_refused(company: Company, lies: dict[str, object]) -> None:
    await company.site.parts.accounts.add(account("admin", name=EMAIL, password=None), by="admin")
    company.issuer.lies = lies

    assert (await company.sign_in()).status == 401


async def test_token_that_somebody_else_signed_is_refused(company: Company) -> None:
    await company.site.parts.accounts.add(account("admin", name=EMAIL, password=None), by="admin")
    company.issuer.signs_with = RSAKey.generate_key(2048, {"kid": "one"})

    assert (await company.sign_in()).status == 401


async def test_code_that_was_issued_to_another_browser_is_refused(company: Company) -> None:
    await company.site.parts.accounts.add(account("admin", name=EMAIL, password=None), by="admin")
    theirs = company.issuer.authorize(await company.depart())
    company.site.client.session.cookie_jar.clear()
    nobody = await company.arrive(theirs)
    await company.depart()

    assert (nobody.status, (await company.arrive(theirs)).status) == (401, 401)


async def test_company_that_says_no_is_quoted(company: Company) -> None:
    query = await company.depart()

    done = await company.arrive({"error": "access_denied", "error_description": "not today", "state": query["state"]})

    assert done.status == 401 and "not today" in await done.text()


async def test_issuer_that_is_another_or_not_there_is_named(company: Company) -> None:
    company.issuer.claims_to_be = "https://other.example.com"
    other = await company.site.get("/signin/company")
    company.site.parts.company.settings.__dict__["issuer"] = "http://127.0.0.1:9"  # type: ignore[union-attr]  # it is set up
    gone = await company.site.get("/signin/company")

    assert "other.example.com" in await other.text() and "sign-in failed" in await gone.text()
    assert (other.status, gone.status) == (503, 503)


async def test_without_settings_there_is_no_company_sign_in(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        assert (await site.get("/signin/company")).status == 404
        assert "company" not in await site.read("/signin")


def test_client_secret_comes_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text('[console.oidc]\nissuer = "https://login.example.com"\nclient_id = "pointsman"\n')
    monkeypatch.setenv("POINTSMAN_CONSOLE__OIDC__CLIENT_SECRET", SECRET)
    oidc = load_settings(file).console.oidc
    file.write_text(file.read_text() + 'client_secret = "in the file"\n')

    assert oidc and oidc.client_secret and oidc.client_secret.get_secret_value() == SECRET
    assert SECRET not in repr(oidc)
    with pytest.raises(SettingsError, match="POINTSMAN_CONSOLE__OIDC__CLIENT_SECRET"):
        load_settings(file)


def test_issuer_on_another_machine_needs_https(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text('[console.oidc]\nissuer = "http://login.example.com"\nclient_id = "pointsman"\n')

    with pytest.raises(SettingsError, match="https"):
        load_settings(file)
