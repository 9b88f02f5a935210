"""
The core: knows no vendor. Read it in this order:

assistant       the main path on one screen: understand, embed, retrieve, route, prompt, generate, check, reply
messages ports  the values that travel along it, and what it needs from the outside
conversation    thread memory           routing      where a question goes
prompts         templates               answering grounding   from prompt to checked, cited text
store/          what is kept            privacy/     what is redacted before it leaves
learning/       what reviewers look at first, what becomes of what they decide, how the router learns
app             wires every part        owner work   one process owns the index, the others hand it their work
jobs/           that work, one module a kind: ingest, release, answer again, advise
console/        the pages for admins    desks/       what stands behind them    hosting   the web server under them
cli commands/   the commands            settings errors wording files rows progress   what all of them use

Around it: connectors (ways in and out), knowledge (documents to passages), adapters (the model and its LoRA adapters).
"""
