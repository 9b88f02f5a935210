"""The routes that answer slash commands, buttons and modals."""

import time

from discord_double_routes import ROUTES, Ask, edit, route, write
from discord_double_rules import EPHEMERAL, LOADING, Json, Refused, check_modal, invalid
from discord_double_world import AUTOCOMPLETE, MODAL, Interaction, Posted, World

__all__ = ["ROUTES"]  # by now with those from here

SEND, DEFER, DEFER_UPDATE, UPDATE, CHOICES, SHOW_MODAL = 4, 5, 6, 7, 8, 9  # types of callbacks


@route("POST", "/interactions/{interaction}/{token}/callback")
def answer(world: World, ask: Ask) -> Json | None:
    about, kind, data = world.interactions.get(ask.id("interaction")), ask.body["type"], ask.body.get("data") or {}
    now = time.monotonic()
    if about is None or about.token != ask.parts["token"] or now > about.at + world.answer_within:
        raise Refused(404, 10062, "Unknown interaction", noted=True)
    if about.answer is not None:
        raise Refused(400, 40060, "Interaction has already been acknowledged.", noted=True)
    check_kind(about, kind)
    about.ephemeral = bool(data.get("flags", 0) & EPHEMERAL)
    if kind == SEND:
        about.original = write(world, ask, data, about.channel, about)
    elif kind == DEFER:
        flags, hidden = data.get("flags", 0) & EPHEMERAL | LOADING, about.user if about.ephemeral else None
        posted = Posted(id=world.new_id(), channel=about.channel, author=world.bot_user, flags=flags)
        posted.interaction, posted.ephemeral_for = about.id, hidden
        about.original = world.keep(posted)
    elif kind == CHOICES:
        invalid(["choices: Must be 25 or fewer in length."] if len(data.get("choices", [])) > 25 else [])
        about.choices = data.get("choices", [])
    elif kind == SHOW_MODAL:
        check_modal(data)
        about.modal = data
    elif about.message:
        about.original = edit(world, ask, data, about.message) if kind == UPDATE else about.message
    about.answer, about.answered_at, about.deferred = kind, now, kind in (DEFER, DEFER_UPDATE)
    return called_back(world, about) if ask.query.get("with_response") in ("1", "true") else None


def check_kind(about: Interaction, kind: int) -> None:
    fits = (kind == CHOICES) == (about.kind == AUTOCOMPLETE) and SEND <= kind <= SHOW_MODAL
    if not fits or (about.kind == MODAL and kind == SHOW_MODAL):
        invalid([f"type: {kind} does not answer an interaction of type {about.kind}"])
    if kind in (DEFER_UPDATE, UPDATE) and about.message is None:
        invalid([f"type: {kind} needs a message to update"])


def called_back(world: World, about: Interaction) -> Json:
    made: Json = {"id": str(about.id), "type": about.kind}
    resource: Json = {"type": about.answer}
    if about.original:
        made |= {"response_message_id": str(about.original.id), "response_message_loading": about.original.loading}
        made["response_message_ephemeral"] = about.ephemeral
        resource["message"] = world.message_json(about.original)
    return {"interaction": made, "resource": resource}


def asked_by(world: World, ask: Ask) -> Interaction:
    """The interaction of a webhook's token."""
    token = ask.parts["token"]
    about = next((each for each in world.interactions.values() if each.token == token), None)
    if about is None or about.answer is None:
        raise Refused(404, 10015, "Unknown Webhook")
    if time.monotonic() > about.at + world.token_life:
        raise Refused(401, 50027, "Invalid Webhook Token")
    return about


def told(world: World, ask: Ask) -> Posted:
    """The answer that a webhook's route names."""
    about, message = asked_by(world, ask), ask.parts["message"]
    if message != "@original":
        return world.find(ask.id("message"), about.channel)
    if about.original is None:
        raise Refused(404, 10008, "Unknown Message")
    return world.find(about.original.id)


@route("POST", "/webhooks/{app}/{token}")
def follow_up(world: World, ask: Ask) -> Json:
    """The first one after a deferred answer becomes that answer, ephemeral or not as was deferred."""
    about = asked_by(world, ask)
    if about.original and about.original.loading:
        body = ask.body | {"flags": ask.body.get("flags", 0) & ~EPHEMERAL}
        return world.message_json(edit(world, ask, body, world.find(about.original.id)))
    about.followups.append(write(world, ask, ask.body, about.channel, about))
    return world.message_json(about.followups[-1])


@route("GET", "/webhooks/{app}/{token}/messages/{message}")
def one_answer(world: World, ask: Ask) -> Json:
    return world.message_json(told(world, ask))


@route("PATCH", "/webhooks/{app}/{token}/messages/{message}")
def edit_answer(world: World, ask: Ask) -> Json:
    return world.message_json(edit(world, ask, ask.body, told(world, ask)))


@route("DELETE", "/webhooks/{app}/{token}/messages/{message}")
def delete_answer(world: World, ask: Ask) -> None:
    world.remove(told(world, ask))
