"""Ways in and out: chat platforms and the terminal."""
