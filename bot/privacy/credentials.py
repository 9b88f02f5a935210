"""
The forms of passwords, keys and tokens, as regular expressions for Presidio's pattern recogniser.

Most vendors give their tokens a prefix so that they can be found; the rest is caught by what stands before:
`password=`, `Authorization: Bearer`, `://user:`. `\\K` keeps that out of the match.
"""

# Names a setting may end with if its value is secret.
SECRET_NAME = (
    r"(?i:[\w.-]{0,40}(?:password|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|secret[_-]?key|private[_-]?key|account[_-]?key|signing[_-]?key|credential))"
)
# Values that only stand for a secret: variables, placeholders, types, calls, literals.
STAND_IN = (
    r"(?!(?i:[$<{%]|\*{3}|x{4,}|\.{3}|…|(?:none|null|nil|true|false|str|int|bytes|string|bool|any|optional|secretstr"
    r"|password|passwd|secret|token|api[_-]?key|access[_-]?key|required|redacted|changeme|your)\b|your[_-]"
    r"|\w+_(?:key|token|secret|password)\b)"
    r"|[\w.]+[(\[]|[A-Za-z_]+(?:\.[a-z_]+)+\b|[A-Z]+(?:_[A-Z]+)+\b)"
)
# An ampersand may belong to the password, unless it opens the next parameter of a URL.
PLAIN = r"(?:[^\s\"'`,;&|<>()]|&(?!\w+=))"

KEY_BLOCK = r"[A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
SECRET_PATTERNS = {
    "private key": rf"-----BEGIN {KEY_BLOCK}(?s:.*?)(?:-----END {KEY_BLOCK}|\Z)",
    "JSON web token": r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){1,3}",
    "Slack token": r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}",
    "Slack webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/\K[\w/]{12,}",
    "Discord webhook": r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\K\d+/[\w-]{20,}",
    "Discord bot token": r"\b[A-Za-z\d_-]{23,28}\.[\w-]{6,7}\.[\w-]{27,40}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z\d]{20,}|github_pat_\w{20,})",
    "GitLab token": r"\bgl(?:pat|oas|ptt|rt|dt|cbt|ft|soat|imt|agent)-[\w-]{20,}",
    "AWS key id": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z\d]{16}\b",
    "Google key": r"\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}",
    "OpenAI, Anthropic or Stripe key": r"\b(?:sk|rk|pk)[-_](?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{16,}",
    "Stripe webhook": r"\bwhsec_\w{16,}",
    "Hugging Face token": r"\bhf_[A-Za-z\d]{20,}",
    "package registry token": r"\bnpm_[A-Za-z\d]{30,}|\bpypi-[\w-]{30,}",
    "SendGrid or Twilio key": r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\bSK[a-f\d]{32}\b",
    "Telegram bot token": r"\b\d{8,10}:AA[\w-]{30,}",
    "cloud token": r"\b(?:do[op]_v1_[a-f\d]{32,}|dapi[a-f\d]{32}|hv[sb]\.[\w-]{20,}|shp[a-z]{2}_[a-f\d]{32})",
    "age key": r"\bAGE-SECRET-KEY-1[A-Z\d]{20,}",
    "URL credentials": r"\b[a-zA-Z][\w+.-]*://\K(?:[^\s/:@<>]*:[^\s/@<>$]+|[^\s/:@<>]{16,})(?=@)",
    "authorization header": r"(?i:authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|bot)\s+)\K"
    r"[\w.~+/=-]{6,}",
    "bearer token": r"(?i:\bbearer\s+)\K(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}",
    "quoted secret": rf"\b{SECRET_NAME}[\"']?[ \t]*(?:=>|:=|==?|:)[ \t]*[rbu]?([\"'])\K"
    rf"{STAND_IN}[^\"'\n]{{4,}}(?=\1)",
    "assigned secret": rf"\b{SECRET_NAME}[ \t]*:?=[ \t]*\K{STAND_IN}{PLAIN}{{4,}}",
    "secret with a digit": rf"\b{SECRET_NAME}:[ \t]*\K{STAND_IN}(?=\S*[\d!@#%^*]){PLAIN}{{4,}}",
    # Behind the very word any sign may belong to it, but for what ends a sentence or a list.
    "password behind its name": rf"\b(?i:password|passwd|passphrase|pwd):[ \t]*\K{STAND_IN}"
    r"(?=\S*[\d!@#%^*$]|\S*[^\w\s]\w)[^\s\"'`]\S{4,}[^\s,;.)\]}>\"'`]",
    "secret on a line": rf"\b{SECRET_NAME}:[ \t]+\K{STAND_IN}{PLAIN}{{6,}}(?=\s*$)",
    "secret option": rf"(?<=\s--?){SECRET_NAME}\s+\K(?!-){STAND_IN}{PLAIN}{{4,}}",
    "curl user": r"\bcurl\s[^\n]*?(?:-u|--user)\s+[\"']?\K[^\s:\"']+:[^\s\"']+",
    "password in a sentence": r"(?i:\b(?:password|passphrase|passcode)(?: \w+)? (?:is|was|to):?\s+)"
    r"[\"'`\u201c]?\K(?=\S*[\d!#$%^&*])[^\s\"'`\u201c\u201d,;]{4,}(?<![.!?])",
    "PIN in a sentence": r"\bPIN(?: \w+)?(?: is|:) +\K\d{4,8}\b",
    "token in a sentence": r"(?i:\b(?:token|api key|secret|access key)(?: \w+)? (?:is|was|to):?\s+)"
    r"[\"'`\u201c]?\K(?=\S*\d)(?=\S*[A-Za-z])[\w+/=-]{8,}",
}

# Numbers of papers; the words in front are what tells them from any other number.
ID_PATTERN = (
    r"(?i:\b(?:passport|licen[cs]e|identity|id card|national id|tax|insurance)(?: card)?"
    r" (?:number|no\.?|#|id)"
    r"(?: is|:|=)? ?)\K(?=[A-Z\d-]*\d)[A-Z\d][A-Z\d-]{5,}(?!\w)"
)
