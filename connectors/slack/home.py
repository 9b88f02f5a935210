"""The app's own place in Slack: the home tab, and the questions that are offered to begin with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from bot.errors import ConnectorError
from bot.ports import Openers, People
from bot.settings import DomainSettings, Settings
from connectors.desk import Errand
from connectors.slack import blocks as slack_blocks
from connectors.slack.api import SlackApi
from connectors.slack.events import Payload, user_id, workspace_id
from connectors.slack.text import shortened

TITLE = 60  # characters of the title of a thread or a question
OFFERED = 4  # questions, at most
HELP = {"title": "What can I ask?", "message": "help"}


@dataclass
class SlackHome:
    """What people find when they open the app."""

    api: SlackApi
    settings: Settings
    people: People
    openers: Openers
    stop: Callable[[str, str], None]  # the work on what a user asked in a workspace

    async def publish(self, team: str, user: str) -> None:
        """Show the home tab as it is now."""
        stored = await self.people.stored(user_id(user), workspace_id(team))
        days, admins = self.settings.storage.retention_days, self.settings.contact.admins
        view = slack_blocks.home(self.settings.domains, stored, days, admins)
        await self.api.call(team, "views.publish", user_id=user, view=view)

    async def forget(self, body: Payload) -> Errand:
        """Delete what is kept of the one who pressed."""
        team, user = body["team"]["id"], body["user"]["id"]
        self.stop(user_id(user), workspace_id(team))
        await self.people.forget(user_id(user), workspace_id(team))
        return partial(self.publish, team, user)

    async def suggest(self, team: str, channel: str, thread: str | None) -> None:
        """Offer questions; the agent view shows none where a thread is named, the older view none without."""
        await self.api.call(
            team,
            "assistant.threads.setSuggestedPrompts",
            channel_id=channel,
            thread_ts=thread,
            prompts=offered({each.name: await self._questions(each) for each in self.settings.domains}),
            title="What can I help you with?",
        )

    async def _questions(self, domain: DomainSettings) -> Sequence[str]:
        return domain.suggestions or await self.openers(domain.name)

    async def entitle(self, address: Mapping[str, str], question: str) -> None:
        """Name a new conversation in the messages tab."""
        where = {"channel_id": address["channel"], "thread_ts": address["thread"]}
        title = shortened(question, TITLE) or "A file"
        with suppress(ConnectorError):  # an app that is no agent has no such conversations
            await self.api.hint(address["team"], "assistant.threads.setTitle", **where, title=title)

    async def end_session(self, team: str, channel: str, thread: str) -> None:
        """Take away the sign that work goes on where none does: Slack leaves it on for an hour."""
        where = {"channel_id": channel, "thread_ts": thread}
        await self.api.hint(team, "agents.sessions.setStatus", **where, status="active")


def offered(questions: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Up to four of the *questions* by domain, each domain's first before any second; without any, what I can do."""
    rows = [(name, row[n]) for n in range(OFFERED) for name, row in questions.items() if n < len(row)]
    prompts = [{"title": shortened(text, TITLE), "message": f"{name}: {text}"} for name, text in rows[:OFFERED]]
    return prompts or [HELP]
