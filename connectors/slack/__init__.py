"""Slack: `connector` is the way in; the other modules are its parts."""
