"""What must not leave: names that promise amounts or personal data, and texts in which something private stands.

Names are refused when a pack is loaded; texts are left out, and counted, when a line is read. The shapes are
deliberately broad: a plan's name that is lost costs a label in a chart, an e-mail address that is sent cannot be
taken back. All scans are linear in the text.
"""

import re
from enum import StrEnum

RESERVED_NAMES = frozenset({"revenue", "value", "currency"})
"""Segment gives these property names a meaning of money (Segment spec, "Track": reserved properties)."""

_AMOUNT_NAME = re.compile(
    r"(?:^|_)(?:amounts?|cents|prices?|totals?|subtotals?|balances?|costs?|mrr|arr|ltv|gmv|payout|refunds?|taxes)(?:_|$)"
)
_PERSONAL_NAME = re.compile(
    r"(?:^|_)(?:e?mails?|phones?|mobile|fax|iban|bic|ssn|vat|passwords?|secrets?|tokens?|api_keys?|credentials?|"
    r"address(?:es|_line[12]?)?|street|zip(?:code)?|city|postcode|postal|birth(?:day|date)?|gender|"
    r"firstname|lastname|fullname|surname|username|legal_name|ip|tax_id|tax_identification_number|"
    r"latitude|longitude|cards?|account_number)(?:_|$)"
    r"|(?:^|_)(?:first|last|full|middle|given|family|user|customer|person|contact|organization|company)_name$"
)


class NameDoubt(StrEnum):
    """Why a property name is refused."""

    RESERVED = "reserved"
    AMOUNT = "amount"
    PERSONAL = "personal"


def doubt_name(name: str) -> NameDoubt | None:
    """Why a property of this name (or read from a field of this name) is refused, or None."""
    # `amountCents` and `AmountCents` are the same promise as `amount_cents`.
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    if plain in RESERVED_NAMES:
        return NameDoubt.RESERVED
    if _AMOUNT_NAME.search(plain):
        return NameDoubt.AMOUNT
    if _PERSONAL_NAME.search(plain):
        return NameDoubt.PERSONAL
    return None


class TextDoubt(StrEnum):
    """What a text seems to hold."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    TOKEN = "token"  # noqa: S105: the name of a kind, no secret
    AMOUNT = "amount"


# Anything around an @ that could be an address, with or without a dot in the domain, full-width @ included.
_EMAIL = re.compile(r"[^\s@＠]{1,64}\s?[@＠]\s?[^\s@＠.]{1,255}")
# Digits in groups: a phone or card number. Not inside a word, an id or a UUID.
_DIGIT_RUN = re.compile(r"(?<![\w.-])\+?\(?\d[\d\s().\-/\u00a0\u2010-\u2015]{5,30}\d(?![\w-])")
_DATE_LIKE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ ]\d{2})?|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4}[./]\d{2}[./]\d{2}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
_TOKEN = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/-]{12,}"
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|whsec|ghp|gho|ghs|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|SG|npm|pypi|key|api[_-]?key|token|secret)"
    r"[_\-.:=]?[A-Za-z0-9_\-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r"|-----BEGIN "
)
_CURRENCY = r"(?:[$€£¥₹₽₩₪₺₫₴₦฿]|\b(?:EUR|USD|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|BRL|INR|CNY|MXN|ZAR)\b|\b(?i:euros?|dollars?|pounds?)\b)"
_AMOUNT = re.compile(rf"{_CURRENCY}\s?\d|\d[\d\s.,'\u00a0\u202f]{{0,20}}[kKmM]?\s?{_CURRENCY}")

PHONE_DIGITS = range(7, 16)
"""E.164 allows at most 15 digits; below seven it is no subscriber number."""
CARD_DIGITS = range(13, 20)
"""ISO/IEC 7812-1: 13 to 19 digits in practice."""


def doubt_text(text: str) -> TextDoubt | None:
    """What private thing the text seems to hold, or None."""
    if ("@" in text or "＠" in text) and _EMAIL.search(text):
        return TextDoubt.EMAIL
    if _TOKEN.search(text):
        return TextDoubt.TOKEN
    if not any(character.isdigit() for character in text):
        return None
    if _IBAN.search(text):
        return TextDoubt.IBAN
    if _AMOUNT.search(text):
        return TextDoubt.AMOUNT
    for run in _DIGIT_RUN.finditer(text):
        doubt = _doubt_digits(run[0])
        if doubt is not None:
            return doubt
    return None


def _doubt_digits(run: str) -> TextDoubt | None:
    digits = [int(character) for character in run if character.isdigit()]
    if len(digits) in CARD_DIGITS and _luhn(digits):
        return TextDoubt.CARD
    if len(digits) in PHONE_DIGITS and not _DATE_LIKE.fullmatch(run.strip()):
        return TextDoubt.PHONE
    return None


def _luhn(digits: list[int]) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = (digit if index % 2 == 0 else digit * 2 - 9 * (digit > 4) for index, digit in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0
