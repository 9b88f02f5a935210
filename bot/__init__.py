"""
The core: knows no vendor. Read it in this order:

assistant       the main path on one screen: understand, embed, retrieve, route, prompt, generate, check, reply
messages ports  the values that travel along it, and what it needs from the outside
conversation    thread memory           routing learning   where a question goes, and how that is learnt
prompts         templates               answering grounding   from prompt to checked, cited text
store           what is kept            privacy (names, addresses, credentials)   what is redacted before it leaves
curation        what a reviewer looks at first, and what becomes of their decisions
app             wires every part        owner work   one process owns the index, the others hand it their work
cli cli_keep cli_learn   the commands   settings errors wording files rows progress command   what all of them use

Around it: connectors (ways in and out), knowledge (documents to passages), adapters (the model and its LoRA adapters).
"""
