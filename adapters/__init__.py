"""LoRA adapters: the base model, generation, datasets, training and the registry of versions."""
