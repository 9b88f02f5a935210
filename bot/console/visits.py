"""One request, as a page sees it: who asks, what they filled in, and how to answer them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from bot.console.catalogue import Language
from bot.console.parts import Parts
from bot.desks.accounts import Account, Role, Session
from bot.errors import InputError

FORM_COOKIE = "pointsman_form"  # stands in for a session's CSRF token where nobody is signed in yet
THEMES = ("auto", "light", "dark")
LONGEST_TEXT = 200  # characters that a list is searched for
LONGEST_QUESTION = 1000  # characters of a question that somebody types to try something out

Form = MultiDictProxy[str | bytes | bytearray | web.FileField]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request to a page."""

    parts: Parts
    request: web.Request
    session: Session | None
    language: Language
    form: Form
    csrf: str
    navigation: Sequence[tuple[str, str, Role]] = ()  # path, title, who sees it

    @property
    def account(self) -> Account:
        """Who asks. Only pages that anyone may open have nobody here; they do not look."""
        if self.session is None:
            raise RuntimeError("a page that anyone may open asked who opens it")
        return self.session.account

    @property
    def wants_page(self) -> bool:
        """Whether a person's browser asks for a page, rather than a script for data."""
        accept = self.request.headers.get("Accept", "*/*")
        return "text/html" in accept or (accept == "*/*" and self.request.method in ("GET", "HEAD"))

    def say(self, text: str, /, **values: object) -> str:
        """*text* in the language of who asks."""
        return self.language.say(text, **values)

    def may(self, role: Role) -> bool:
        """Whether who asks may do what *role* may."""
        return self.session is not None and self.session.account.may(role)

    def field(self, name: str) -> str:
        """A field of the form or, without a form, of the address; empty where there is none."""
        value = self.form.get(name) if self.request.method == "POST" else self.request.query.get(name)
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> list[str]:
        """Every value of a field that occurs several times."""
        return [value for value in self.form.getall(name, []) if isinstance(value, str)]

    def short(self, name: str, most: int) -> str:
        """A field of at most so many characters, without the white space around it. Raises: InputError."""
        if len(value := self.field(name).strip()) > most:
            raise InputError(
                self.say(
                    "The field “%(name)s” holds %(n)s characters; at most %(most)s fit.",
                    name=name,
                    n=len(value),
                    most=most,
                )
            )
        return value

    def required(self, name: str) -> str:
        """A field that has to hold something. Raises: InputError."""
        if not (value := self.field(name).strip()):
            raise InputError(self.say("The field “%(name)s” is empty; fill it in.", name=name))
        return value

    def page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page from *template*; it also has `visit`, `say`, `may`, `csrf` and what the frame around it needs."""
        theme = self.request.cookies.get("pointsman_theme", "auto")
        text = self.language.templates.get_template(template).render(
            visit=self,
            may=self.may,
            csrf=self.csrf,
            path=self.request.path,
            here=self.request.path_qs,
            theme=theme if theme in THEMES else "auto",
            languages=self.parts.catalogue.languages.values(),
            navigation=[entry for entry in self.navigation if self.may(entry[2])],
            account=self.session.account if self.session else None,
            **values,
        )
        response = web.Response(text=text, content_type="text/html", status=status)
        if self.session is None and self.request.cookies.get(FORM_COOKIE) != self.csrf:
            response.set_cookie(FORM_COOKIE, self.csrf, httponly=True, samesite="Strict", secure=self.parts.secure)
        return response

    def data(self, value: Mapping[str, Any] | Sequence[Any], *, status: int = 200) -> web.Response:
        """*value* as JSON."""
        return web.json_response(value, status=status)

    def see(self, path: str, **query: str) -> web.Response:
        """Send the browser to another page, which it gets with GET."""
        return web.Response(status=303, headers={"Location": path + (f"?{urlencode(query)}" if query else "")})


def local(path: str, otherwise: str) -> str:
    """*path* if it is one of this site, else *otherwise*: an address in a link must not lead elsewhere."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and "\r" not in path and "\n" not in path
    return path if safe else otherwise


def form_token(request: web.Request) -> str:
    """The CSRF token of a browser in which nobody is signed in."""
    return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)


NO_FORM: Form = MultiDictProxy(MultiDict())
