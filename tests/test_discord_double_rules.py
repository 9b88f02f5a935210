"""The double does with messages, commands and buttons what Discord does, and refuses what Discord refuses."""

from typing import Any

import discord
import pytest
from discord import app_commands, ui
from discord_double import DiscordDouble
from discord_echo import Echo, call, running

ANYBODY = discord.AllowedMentions.all()


pytest_plugins = ["discord_fixtures"]


# interactions


async def test_a_command_is_deferred_and_then_answered(discord_: DiscordDouble, ada: int, general: int):
    async with running(discord_):
        asked = await discord_.slash(ada, general, "ask", question="When?")
        await discord_.until(lambda: discord_.answers(general))

    interaction, posted = discord_.interactions[asked], discord_.answers(general)[0]
    assert (interaction.deferred, interaction.ephemeral, interaction.original) == (True, False, posted)
    assert (posted.content, posted.edits, posted.loading) == ("Asked: When?", 0, False)
    discord_.assert_clean()


async def test_a_private_answer_is_for_who_asked(discord_: DiscordDouble, ada: int):
    room = discord_.dm(ada)
    async with running(discord_):
        await discord_.slash(ada, room, "ask", question="When?", private=True)
        await discord_.until(lambda: discord_.ephemeral(ada))

    assert not discord_.answers(room)
    assert discord_.ephemeral(ada)[0].content == "Asked: When?"


async def test_commands_are_called_as_registered(discord_: DiscordDouble, ada: int, general: int):
    async with running(discord_):
        with pytest.raises(AssertionError, match="needs"):
            await discord_.slash(ada, general, "ask")
        with pytest.raises(AssertionError, match="no options"):
            await discord_.slash(ada, general, "ask", question="When?", colour="red")


async def test_a_vote_opens_a_modal_whose_answer_only_the_voter_sees(discord_: DiscordDouble, ada: int, general: int):
    async with running(discord_):
        await discord_.slash(ada, general, "ask", question="When?")
        await discord_.until(lambda: discord_.answers(general))
        click = await discord_.clicks(ada, discord_.answers(general)[0].id, "vote:down")
        await discord_.until(lambda: discord_.interactions[click].modal)
        with pytest.raises(AssertionError, match="does not fit"):
            await discord_.submits(ada, click, {"reason": "No"})
        await discord_.submits(ada, click, {"Reason": "It is late"})
        await discord_.until(lambda: discord_.ephemeral(ada))

    assert discord_.ephemeral(ada)[0].content == "Noted: It is late"
    discord_.assert_clean()


async def test_a_button_may_change_its_message(discord_: DiscordDouble, ada: int, general: int):
    async with running(discord_):
        await discord_.slash(ada, general, "ask", question="When?")
        await discord_.until(lambda: discord_.answers(general))
        posted = discord_.answers(general)[0]
        await discord_.clicks(ada, posted.id, "vote:up")
        await discord_.until(lambda: posted.edits)

    assert (posted.content, posted.components) == ("Thank you", [])


class Where(ui.Modal, title="Where?"):
    place: ui.Label["Where"] = ui.Label(
        text="Place", component=ui.Select(custom_id="place", options=[discord.SelectOption(label="Here", value="here")])
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(self.place.component.values[0])  # type: ignore[attr-defined]  # a menu's


async def test_menus_in_modals_give_what_they_offer(discord_: DiscordDouble, ada: int, general: int):
    client = Echo()

    async def asks(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Where())

    client.tree.add_command(app_commands.Command(name="where", description="Where", callback=asks))
    async with running(discord_, client):
        asked = await discord_.slash(ada, general, "where")
        await discord_.until(lambda: discord_.interactions[asked].modal)
        with pytest.raises(AssertionError, match="does not offer"):
            await discord_.submits(ada, asked, {"place": "there"})
        await discord_.submits(ada, asked, {"place": "here"})
        await discord_.until(lambda: discord_.answers(general))

    assert discord_.answers(general)[0].content == "here"


async def test_a_late_answer_is_refused_and_noted(discord_: DiscordDouble, ada: int, general: int):
    discord_.answer_within = 0.05
    client = Echo()
    client.pause = 0.1
    async with running(discord_, client):
        asked = await discord_.slash(ada, general, "ask", question="When?")
        await discord_.until(lambda: discord_.problems)

    assert "10062" in discord_.problems[0]
    with pytest.raises(AssertionError, match=f"interaction {asked} was never answered"):
        discord_.assert_clean()


async def test_an_interaction_is_answered_once(discord_: DiscordDouble, ada: int, general: int):
    asked = discord_.interactions[await discord_.slash(ada, general, "ask", question="When?")]
    path = f"/interactions/{asked.id}/{asked.token}/callback"

    assert (await call(discord_, "POST", path, {"type": 5}))[0] == 204
    assert (await call(discord_, "POST", path, {"type": 5}))[1]["code"] == 40060
    assert discord_.unfinished() == [f"interaction {asked.id} is still thinking"]


async def test_the_first_follow_up_becomes_the_deferred_answer(discord_: DiscordDouble, ada: int, general: int):
    asked = discord_.interactions[await discord_.slash(ada, general, "ask", question="When?")]
    webhook = f"/webhooks/{discord_.application_id}/{asked.token}"

    assert (await call(discord_, "POST", webhook, {"content": "Early"}))[1]["code"] == 10015
    await call(discord_, "POST", f"/interactions/{asked.id}/{asked.token}/callback", {"type": 5})
    await call(discord_, "POST", webhook, {"content": "One", "flags": 64})
    await call(discord_, "POST", webhook, {"content": "Two", "flags": 64})
    assert [each.content for each in discord_.answers(general)] == ["One"]
    assert [each.content for each in discord_.ephemeral(ada)] == ["Two"]


async def test_tokens_of_interactions_expire(discord_: DiscordDouble, ada: int, general: int):
    asked = discord_.interactions[await discord_.slash(ada, general, "ask", question="When?")]
    await call(discord_, "POST", f"/interactions/{asked.id}/{asked.token}/callback", {"type": 5})
    discord_.token_life = 0

    webhook = f"/webhooks/{discord_.application_id}/{asked.token}/messages/@original"
    status, body = await call(discord_, "PATCH", webhook, {"content": "Too late"})

    assert (status, body["code"]) == (401, 50027)


async def test_menus_of_messages_and_suggestions_while_typing(discord_: DiscordDouble, ada: int, general: int):
    client, found = Echo(), []

    async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
        found.append(message.content)
        await interaction.response.send_message("So")

    async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=typed + "ing", value="billing")]

    client.tree.add_command(app_commands.ContextMenu(name="Explain", callback=explain))
    client.tree.get_command("ask").autocomplete("question")(suggest)
    async with running(discord_, client):
        await discord_.menu(ada, await discord_.says(ada, general, "Odd"), "Explain")
        typed = await discord_.autocompletes(ada, general, "ask", "question", "bill")
        await discord_.until(lambda: found and discord_.interactions[typed].choices)

    assert found == ["Odd"]
    assert discord_.interactions[typed].choices[0]["name"] == "billing"


# messages

BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}
ROW = {"type": 1, "components": [BUTTON]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": " \n"}, 50006),
        ({"content": "a" * 2001}, 50035),
        ({"content": "a", "nonce": "1" * 26}, 50035),
        ({"embeds": [{"title": "a" * 257}]}, 50035),
        ({"embeds": [{"description": "a" * 4000}, {"description": "a" * 2001}]}, 50035),
        ({"embeds": [{"fields": [{"name": "a", "value": ""}]}]}, 50035),
        ({"content": "a", "components": [ROW, ROW]}, 50035),
        ({"content": "a", "components": [{"type": 1, "components": [BUTTON | {"label": "a" * 81}]}]}, 50035),
        ({"content": "a", "components": [BUTTON]}, 50035),
        ({"content": "a", "flags": 1 << 15, "components": [{"type": 10, "content": "a"}]}, 50035),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "a" * 4001}]}, 50035),
    ],
)
async def test_messages_are_refused_as_discord_does_and_noted(
    discord_: DiscordDouble, general: int, body: dict[str, Any], code: int
):
    status, answer = await call(discord_, "POST", f"/channels/{general}/messages", body)

    assert (status, answer["code"], len(discord_.problems)) == (400, code, 1)
    assert not discord_.messages(general)


async def test_whom_a_text_would_ping_is_noted(discord_: DiscordDouble, ada: int, general: int, guild: int):
    staff = discord_.add_role(guild, "staff", [ada])
    discord_.expected_pings.add(staff)
    text = f"@everyone <@{ada}> <@&{staff}>"
    async with running(discord_) as client:
        channel = client.get_partial_messageable(general)
        await channel.send(text)
        assert not discord_.problems
        await channel.send(text, allowed_mentions=ANYBODY)

    assert discord_.problems == [f"message in {general} pings @everyone", f"message in {general} pings <@{ada}>"]


async def test_history_can_be_read(discord_: DiscordDouble, ada: int, general: int):
    sent = [await discord_.says(ada, general, str(number)) for number in range(5)]
    async with running(discord_) as client:
        channel = client.get_channel(general)
        assert isinstance(channel, discord.TextChannel)
        newest = [each.content async for each in channel.history(limit=2)]
        later = [each.content async for each in channel.history(after=discord.Object(sent[1]))]
        around = [each.content async for each in channel.history(around=discord.Object(sent[2]), limit=3)]

    assert (newest, later, sorted(around)) == (["4", "3"], ["2", "3", "4"], ["1", "2", "3"])


async def test_threads_and_forum_posts(discord_: DiscordDouble, ada: int, general: int, guild: int):
    forum = discord_.add_forum(guild, "help")
    async with running(discord_) as client:
        message = await client.get_channel(general).fetch_message(await discord_.says(ada, general, "Hi"))
        thread = await message.create_thread(name="Refunds")
        with pytest.raises(discord.HTTPException, match="160004"):
            await message.create_thread(name="Again")
        post = await client.get_channel(forum).create_thread(name="Post", content="First")
        asked = await discord_.opens_thread(ada, forum, "Question")
        await discord_.says(ada, asked, "Why?")
        await discord_.until(lambda: discord_.answers(asked))

    assert thread.id == message.id
    assert discord_.answers(post.thread.id)[0].content == "First"


async def test_people_edit_delete_react_and_attach(discord_: DiscordDouble, ada: int, general: int):
    client, seen = Echo(), []

    async def on_raw_reaction_remove(reaction: discord.RawReactionActionEvent) -> None:
        seen.append((reaction.user_id, str(reaction.emoji)))

    client.event(on_raw_reaction_remove)
    async with running(discord_, client):
        asked = await discord_.says(ada, general, "Hi", attachments=[("a.txt", b"words")])
        message = await client.get_channel(general).fetch_message(asked)
        await message.add_reaction("👍")
        await discord_.edits(ada, asked, "Hello")
        await discord_.reacts(ada, asked, "👍")
        await discord_.unreacts(ada, asked, "👍")
        await discord_.until(lambda: seen and client.cached_messages[0].content == "Hello")
        assert await message.attachments[0].read() == b"words"
        await discord_.deletes(asked)
        await discord_.until(lambda: asked not in [each.id for each in client.cached_messages])

    assert seen == [(ada, "👍")]
    assert discord_.posts[asked].reactions == {"👍": {discord_.bot_user}}


async def test_direct_messages_can_be_closed_and_members_be_looked_up(discord_: DiscordDouble, ada: int, guild: int):
    staff = discord_.add_role(guild, "staff", [ada])
    discord_.closed.add(ada)
    async with running(discord_) as client:
        member = await client.get_guild(guild).fetch_member(ada)
        with pytest.raises(discord.Forbidden) as raised:
            await member.send("Hi")
        async with (await client.fetch_user(discord_.add_user("bob"))).typing():
            pass

    assert raised.value.code == 50007
    assert [each.id for each in member.roles[1:]] == [staff]
    assert len(discord_.typing) == 1


async def test_private_channels_are_seen_by_their_roles_and_the_bot(discord_: DiscordDouble, ada: int, guild: int):
    bob = discord_.add_user("bob")
    discord_.guilds[guild].members.append(bob)
    staff = discord_.add_role(guild, "staff", [ada])
    room = discord_.add_channel(guild, "staff", private_to_roles=[staff])
    async with running(discord_) as client:
        there, channel = client.get_guild(guild), client.get_channel(room)
        people = [there.me, await there.fetch_member(ada), await there.fetch_member(bob)]

    assert [channel.permissions_for(each).view_channel for each in people] == [True, True, False]


async def test_files_can_be_sent(discord_: DiscordDouble, general: int):
    async with running(discord_) as client:
        file = discord.File(__file__, filename="a.py")
        sent = await client.get_partial_messageable(general).send("See", file=file)
        assert b"discord_double" in await sent.attachments[0].read()

    assert discord_.answers(general)[0].attachments[0]["filename"] == "a.py"


async def test_a_synchronisation_without_a_change_is_noted(discord_: DiscordDouble):
    async with running(discord_):
        assert [each["name"] for each in discord_.commands] == ["ask"]
    async with running(discord_):
        pass

    assert discord_.problems == ["commands were synchronised without a change"]


async def test_what_is_not_modelled_is_noted(discord_: DiscordDouble):
    assert (await call(discord_, "GET", "/stickers/1"))[0] == 404
    assert discord_.problems == ["the double knows no route /stickers/1"]


async def test_a_layout_is_read_and_its_buttons_are_pressed(discord_: DiscordDouble, ada: int, general: int):
    class Layout(ui.LayoutView):
        box = ui.Container(ui.TextDisplay("In a box"), ui.ActionRow(ui.Button(label="Go", custom_id="go")))

    async with running(discord_) as client:
        await client.get_partial_messageable(general).send(view=Layout())
        posted = discord_.answers(general)[0]
        click = await discord_.clicks(ada, posted.id, "go")

    assert posted.shown == "In a box"
    assert discord_.unfinished() == [f"interaction {click} was never answered"]


class Moderation(app_commands.Group):
    @app_commands.command(description="Tells what it was given")
    async def tell(
        self,
        interaction: discord.Interaction,
        person: discord.Member,
        room: discord.TextChannel,
        role: discord.Role,
        file: discord.Attachment,
    ) -> None:
        words = f"{person.name} {room.name} {role.name} {(await file.read()).decode()}"
        await interaction.response.send_message(words, ephemeral=True)


async def test_options_may_be_people_channels_roles_and_files(
    discord_: DiscordDouble, ada: int, guild: int, general: int
):
    manager = discord.Permissions(manage_guild=True)
    staff, client = discord_.add_role(guild, "staff", [ada], permissions=manager.value), Echo()
    client.tree.add_command(Moderation(name="pointsman", description="Rules", default_permissions=manager))
    given = {"person": ada, "room": general, "role": staff, "file": ("a.txt", b"words")}
    async with running(discord_, client):
        await discord_.slash(ada, general, "pointsman tell", **given)
        await discord_.until(lambda: discord_.ephemeral(ada))
        with pytest.raises(AssertionError, match="may not use"):
            await discord_.slash(discord_.add_user("bob"), general, "pointsman tell", **given)

    assert discord_.ephemeral(ada)[0].content == "ada general staff words"
