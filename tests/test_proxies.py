"""Which proxy a platform is reached by."""

import pytest

from bot.errors import SettingsError
from connectors.proxies import proxy_for

SECURE, PLAIN = "http://secure.example:3128", "http://plain.example:3128"


@pytest.fixture(autouse=True)
def _proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", SECURE)
    monkeypatch.setenv("HTTP_PROXY", PLAIN)
    monkeypatch.setenv("NO_PROXY", "discord.com, .intern.example")


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", SECURE),
        ("wss://gateway.discord.gg/", SECURE),
        ("http://relay.example/api", PLAIN),
        ("ws://relay.example/gateway", PLAIN),
        ("https://discord.com/api/v10", None),
        ("https://relay.intern.example:8443/api", None),
    ],
)
def test_host_is_reached_by_the_proxy_of_its_kind_unless_it_is_an_exception(url: str, proxy: str | None) -> None:
    assert proxy_for(url) == proxy


def test_there_is_no_proxy_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "")

    assert proxy_for("https://slack.com/api/") is None


@pytest.mark.parametrize("kind", ["socks5", "https"])
def test_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{kind}://proxy.example")

    with pytest.raises(SettingsError, match="HTTPS_PROXY has to begin with http://"):
        proxy_for("https://slack.com/api/")
