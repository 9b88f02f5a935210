"""
LoRA adapters: what the embedded language model needs, from its files to a version that answers.

base_model generator   the model and its answers       registry   versions of adapters, and which one answers
datasets/              reviews to rows                 training/  rows to an adapter
gate/                  whether it may answer           stages     candidate, canary, production, retired
"""
