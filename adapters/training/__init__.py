"""From rows to a LoRA adapter: `training` first; the others are its parts."""
