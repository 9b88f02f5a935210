"""The core: knows no vendor."""
