"""What must not leave: names that promise amounts or personal data, and texts in which something private stands.

Names are refused when a pack is loaded; texts are left out, and counted, when a line is read. The shapes are
deliberately broad: a plan's name that is lost costs a label in a chart, an e-mail address that is sent cannot be
taken back. What is only a person's name or a street cannot be told from any other words, and is not found.

Every repetition in a pattern is bounded, possessive, or followed by what it cannot match: all scans are linear.
"""

import re
import unicodedata
from enum import StrEnum
from itertools import pairwise
from typing import Final

from extractor.ruleset.private_numbers import (
    LEAST_PHONE_DIGITS,
    holds_amount,
    holds_card,
    holds_iban,
    holds_phone,
    without_dates,
)

RESERVED_NAMES: Final = frozenset({"revenue", "value", "currency"})
"""Segment gives these property names a meaning of money (Segment spec, "Track": reserved properties)."""

_AMOUNT_NAME: Final = re.compile(
    r"(?:^|_)(?:amounts?|cents|prices?|totals?|subtotals?|balances?|costs?|mrr|arr|ltv|gmv|payouts?|refunds?|tax|taxes|"
    r"salary|salaries|income|earnings|profit|budget|turnover|revenues?|currency)(?:_|$)"
)
_PERSONAL_NAME: Final = re.compile(
    r"(?:^|_)(?:e?mails?|phones?|telephone|tel|mobile|fax|iban|bic|swift|ssn|vat|passport|national_id|"
    r"passwords?|passphrase|pin|secrets?|tokens?|api_keys?|access_keys?|private_keys?|credentials?|authorization|cookies?|"
    r"address(?:es|_line[12]?)?|street|zip(?:code)?|city|postcode|postal|birth(?:day|date)?|dob|age|gender|"
    r"firstname|lastname|fullname|surname|username|nickname|login|legal_name|ip|ips|"
    r"tax_id|tax_identification_number|latitude|longitude|lat|lng|cards?|cvc|cvv|account_number|webhook_urls?)(?:_|$)"
    r"|(?:^|_)(?:first|last|full|middle|given|family|user|customer|person|contact|organization|company)_names?$"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class NameDoubt(StrEnum):
    """Why a property name is refused."""

    RESERVED = "reserved"
    AMOUNT = "amount"
    PERSONAL = "personal"


def doubt_name(name: str) -> NameDoubt | None:
    """Why a property of this name (or read from a field of this name) is refused, or None."""
    # `amountCents` and `AmountCents` are the same promise as `amount_cents`.
    plain = _HUMP.sub("_", name).lower().replace("-", "_")
    if plain in RESERVED_NAMES:
        return NameDoubt.RESERVED
    if _PERSONAL_NAME.search(plain):
        return NameDoubt.PERSONAL
    if _AMOUNT_NAME.search(plain):
        return NameDoubt.AMOUNT
    return None


class TextDoubt(StrEnum):
    """What a text seems to hold."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    TOKEN = "token"
    AMOUNT = "amount"


def doubt_text(text: str) -> TextDoubt | None:
    """What private thing the text seems to hold, or None. Total on any text, and linear in its length."""
    plain = text if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    if _holds_email(plain):
        return TextDoubt.EMAIL
    plain = _UUID.sub("…", plain)
    if _holds_token(plain):
        return TextDoubt.TOKEN
    digits = len(_DIGIT.findall(plain))
    if digits and holds_amount(plain):
        return TextDoubt.AMOUNT
    if digits < LEAST_PHONE_DIGITS:  # cards and accounts have more
        return None
    if holds_iban(plain):
        return TextDoubt.IBAN
    plain = without_dates(plain)
    if holds_card(plain):
        return TextDoubt.CARD
    return TextDoubt.PHONE if holds_phone(plain) else None


_DIGIT: Final = re.compile(r"\d")
# What is not seen and would part what belongs together: soft hyphens, joiners, marks of direction, variants.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9A-Za-z])",
    re.IGNORECASE,
)

# ---- e-mail addresses ----

# Anything around an @ may be an address, with or without a dot in the domain.
_AT: Final = re.compile(r"[^\s@]\s{0,3}@\s{0,3}[^\s@.]")
_TLD = r"(?:com|net|org|io|co|dev|app|info|example|fr|de|es|it|nl|be|ch|at|uk|eu|us|ca|in|br|jp)\b"
_SPELT_AT: Final = re.compile(
    r"\w\s?(?:%(?:25)?40|&#(?:64|[xX]40);|&commat;|\\u0040|[(\[{<]\s?(?:at|@)\s?[)\]}>])\s?\w"
    rf"|\w\s{{1,3}}(?:at|arroba)\s{{1,3}}[\w-]{{1,64}}\s{{1,3}}(?:dot|punto|ponto|point|punkt)\s{{1,3}}{_TLD}"
    rf"|\w(?:_at_|\s{{1,3}}at\s{{1,3}})[a-z0-9-]{{1,64}}\.{_TLD}",
    re.IGNORECASE,
)
# What an @ is spelt with begins so, and hardly a code or a name has one of these.
_MAY_BE_SPELT: Final = re.compile(r"[%&\\(\[{<\s_](?:(?<!_)|at_)", re.IGNORECASE)


def _holds_email(text: str) -> bool:
    return ("@" in text and _AT.search(text) is not None) or (
        _MAY_BE_SPELT.search(text) is not None and _SPELT_AT.search(text) is not None
    )


# ---- secrets ----

_SURE_TOKEN: Final = re.compile(
    r"-----BEGIN "
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8}"
    r"|(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?:[spr]k_(?:live|test)_[A-Za-z0-9]{16}|github_pat_[A-Za-z0-9_]{22}|xox[abeoprs]-\d{6}|"
    r"ya29\.[A-Za-z0-9_-]{10}|lago_key[-_][A-Za-z0-9-]{8}|pat-(?:na|eu)\d-)"
    r"|hooks\.slack\.com/services/"
    r"|(?<![A-Za-z])(?i:api[ _-]?key|secret(?:[ _-]?key)?|access[ _-]?key|token|passw(?:or)?d|pwd|passphrase)"
    r"\s{0,3}[=:]\s{0,3}\S{6}"
)
# A prefix that keys are known by, and behind it something random; `sk_for_small_companies` is none.
_LIKELY_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:(?i:bearer|basic|apikey)\s{1,3}|(?:sk|pk|rk|whsec|gh[oprsu]|github_pat|glpat|xox[abeoprs]|npm|"
    r"pypi|hf|shpat|dop_v1|SG|key|lago_key|api[_-]?key|token|secret)[-_.:=])([A-Za-z0-9._~+/=-]{10,}+)"
)
_CHUNK: Final = re.compile(r"[A-Za-z0-9]{10,}+")
_LONG_CHUNK: Final = re.compile(r"[A-Za-z0-9]{32,}+")
_LEAST_CHANGES: Final = 4
"""Changes between small letters, capitals and digits from which a word is none: `Subscription2024` has two."""


def _holds_token(text: str) -> bool:
    if _SURE_TOKEN.search(text) is not None:
        return True
    return _CHUNK.search(text) is not None and (
        any(_looks_random(chunk) for tail in _LIKELY_TOKEN.findall(text) for chunk in _CHUNK.findall(tail))
        or any(_looks_random(chunk.lower()) for chunk in _LONG_CHUNK.findall(text))
    )


def _looks_random(chunk: str) -> bool:
    kinds = [character.isdigit() * 2 + character.isupper() for character in chunk]
    return sum(one != other for one, other in pairwise(kinds)) >= _LEAST_CHANGES
