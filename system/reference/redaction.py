"""Takes secrets out of what people read: arguments, descriptions, tracebacks, log lines.

By the key's name, wherever it stands: a secret without a name (a bare password in a sentence) can't be known. In doubt
too much is taken out. The words are those of the audit, and a few that mean the same.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Final

MASK: Final = "***REDACTED***"
DEPTH_MAX: Final = 32  # deeper than any call's arguments: what is below is left out rather than looked at
PASSES_MAX: Final = 4

# Long words are looked for anywhere in a key (dbPassword, X-Api-Key), short ones among its words only (no `shipping`).
_LONG: Final = (
    "password", "token", "secret", "apikey", "authorization", "creditcard",
    "passwd", "passphrase", "privatekey", "accesskey",
)  # fmt: skip
_SHORT: Final = frozenset({"ssn", "pin", "ssns", "pins", "pwd", "cvv"})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ERROR_NAME: Final = ("error", "exception", "warning")

_KEY: Final = re.compile(
    r"""(?<![\w-])(?P<pair>[(\[]\s*+(?=\\*['"]))?(?P<open>(?<!\\)\\*+["'])?(?P<key>(?:\w++\ )??[\w-]++)
        (?P<close>\\*+["'])?\]?
        (?P<sep>\s*+(?:=>|:=|:|=(?!=))\s*+ | \s*+[=!]=\s*+(?=\\*[a-zA-Z]{0,2}["']) | \s*+,\s*+(?=\\*["']) | \s++)""",
    re.VERBOSE,
)
_QUOTE: Final = re.compile(r"""(?P<kind>[bBrRuUfF]{0,2})(?P<quote>(?P<slashes>\\*)(?:\"\"\"|'''|"|'))""")
_BARE: Final = re.compile(r"""[^\s,;&'"\\()\[\]{}]+""")
_OPENING: Final = ("(", "[", "{")
_SCHEME: Final = re.compile(r"""(?:bearer|basic|token|negotiate|apikey)\s+[^\s,;&'"\\)\]}]+""", re.IGNORECASE)
_PARAMETERS: Final = re.compile(r"[^\r\n=]*=[^\r\n]*")
_PAIR_END: Final = re.compile(r"""\\*["']{1,3}\s*[)\]]|\Z""")
_DEFAULT: Final = re.compile(r"\s*=(?!=)\s*")
_BEARER: Final = re.compile(r"\b(bearer\s+)[\w.~+/=-]+", re.IGNORECASE)
_USERINFO: Final = re.compile(r"""(://[^\s/:@'"]*:)[^\s/'"]+@""")


def is_secret(key: object) -> bool:
    """Whether a key of this name holds what nobody is to read: any case, with _ or - or camel's humps."""
    if isinstance(key, bytes):
        key = key.decode("utf-8", "replace")
    if not isinstance(key, str):
        return False
    flat = "".join(filter(str.isalnum, key.casefold()))
    if any(word in flat for word in _LONG):
        return True
    return any(
        "".join(words[start:end]) in _SHORT
        for words in ([word.casefold() for word in _WORDS.findall(key)],)
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
    )


def redact(value: object) -> object:
    """The value for people: secrets by key replaced, in nested mappings, sequences, pairs and dataclasses; texts, too.

    Mappings and dataclasses come back as dicts; other objects as they are, so that their repr wants ``redact_text``.
    """
    return _redacted(value, 0)


def _redacted(value: object, depth: int) -> object:
    if isinstance(value, str | bytes):
        return redact_text(value) if isinstance(value, str) else redact_text(value.decode("latin-1")).encode("latin-1")
    if depth >= DEPTH_MAX and isinstance(value, Mapping | list | tuple | set | frozenset):
        return "..."
    if is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        value = dict(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping):
        return {k: MASK if is_secret(k) else _redacted(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        pair = len(value) == 2 and isinstance(value[0], str | bytes) and is_secret(value[0])  # noqa: PLR2004
        items = [value[0], MASK] if pair else [_redacted(item, depth + 1) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, set | frozenset):
        return [_redacted(item, depth + 1) for item in value]
    return value


def redact_text(text: str) -> str:
    """The text without the values of secret keys: `key=value`, `"key": "value"`, headers, flags, URLs' passwords."""
    for _ in range(PASSES_MAX):  # what a first one takes out may make a form of what is around it
        before, text = text, _redacted_once(text)
        if text == before:
            break
    return text


def _redacted_once(text: str) -> str:
    text = _USERINFO.sub(rf"\g<1>{MASK}@", _BEARER.sub(rf"\g<1>{MASK}", text))
    parts, at = [], 0
    while match := _KEY.search(text, at):
        start = match.end()
        if not _names_a_secret(text, match):
            start = match.end("key")  # what follows may be a key itself
            parts.append(text[at:start])
            at = start
            continue
        parts.append(text[at:start])
        at = _value(text, start, match, parts)
        default = _DEFAULT.match(text, at) if ":" in match["sep"] else None
        if default:  # `password: str = "..."` in a line of source
            parts.append(default[0])
            at = _value(text, default.end(), match, parts)
    return "".join([*parts, text[at:]])


def _names_a_secret(text: str, match: re.Match[str]) -> bool:
    key, sep = match["key"], match["sep"]
    if not is_secret(key):
        return False
    if "," in sep:
        return bool(match["pair"] and match["close"]) and _ends_a_pair(text, match.end())
    if sep.isspace():  # --password value
        return key.startswith("--") and not match["close"]
    return bool(match["close"]) or not key.casefold().endswith(_ERROR_NAME)


def _ends_a_pair(text: str, start: int) -> bool:
    """Whether the value at ``start`` is followed by nothing: ('key', 'value'), and not a row of words."""
    quote = _QUOTE.match(text, start)
    return bool(quote and _PAIR_END.match(text, _closing(text, quote.end(), quote["slashes"], quote["quote"])))


def _value(text: str, start: int, match: re.Match[str], parts: list[str]) -> int:
    """Append the mask for the value that begins at ``start``; where it ends."""
    quote = _QUOTE.match(text, start)
    if quote:
        parts += [quote[0], MASK]
        return _closing(text, quote.end(), quote["slashes"], quote["quote"])
    mark = match["close"] or ""
    end = _bare(text, start, match["key"])
    if end == start or text[start:end] == MASK:
        parts.append(text[start:end])
        return end
    parts.append(f"{mark}{MASK}{mark}")
    return end


def _closing(text: str, start: int, slashes: str, quote: str) -> int:
    """Where the quote that closes begins: one with as many backslashes as the opening one; else the text's end."""
    bare = quote[len(slashes) :]
    for found in re.compile(rf"(\\*){bare}").finditer(text, start):
        if found[1] == slashes:
            return found.start()
    return len(text)


def _bracketed(text: str, start: int) -> int:
    """Behind the bracket that closes the one at ``start``; the text's end if none does."""
    depth, at = 0, start
    while at < len(text):
        if text[at] in "[{(":
            depth += 1
        elif text[at] in "]})":
            depth -= 1
            if depth == 0:
                return at + 1
        elif text[at] in "\\\"'":
            quote = _QUOTE.match(text, at)
            if quote:
                at = _closing(text, quote.end(), quote["slashes"], quote["quote"]) + len(quote["quote"])
                continue
        at += 1
    return len(text)


def _bare(text: str, start: int, key: str) -> int:
    """Where a value without quotes ends: brackets and what stands right behind them belong to it."""
    token = _SCHEME.match(text, start) or _BARE.match(text, start)
    if token and "authorization" in key.casefold() and not _SCHEME.match(token[0]) and token[0] != MASK:
        token = _PARAMETERS.match(text, start) or token  # Digest username="...", realm="..."
    end = token.end() if token else start
    while True:
        if text[end : end + 1] in _OPENING:
            closed = _bracketed(text, end)
            end = closed if closed < len(text) or end == start else end + 1  # one that none closes is a character
        elif token := _BARE.match(text, end):
            end = token.end()
        else:
            return end
