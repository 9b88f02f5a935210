"""The commands that `bot.cli` gathers, by what they are about."""
