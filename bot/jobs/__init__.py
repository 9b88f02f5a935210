"""What the process that owns the index does when it is asked to, one module a kind of work; `bot.work` calls them."""
