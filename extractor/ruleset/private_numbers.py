"""Numbers that must not leave in a text: phones, cards, bank accounts, amounts of money.

A number is not read by itself but as a run of digits in groups, since people write one in many ways; what is a year,
a date or a round number (`1 000 000 calls`, `1000-5000 seats`) is none of these. Imports nothing of the package.
"""

import re
from collections.abc import Iterator
from typing import Final

# ---- runs of digits ----

_SEPARATORS: Final = r"\s().\-/·•\u2010-\u2015\u2212"
_RUN: Final = re.compile(rf"\+?[(]?\d(?:[{_SEPARATORS}]{{0,4}}\d)++")
_GROUP: Final = re.compile(r"\d+")
_ROUND: Final = re.compile(r"[1-9]\d{0,2}0{2,}")
_LONG_ROUND: Final = re.compile(r"[1-9]\d{0,2}0{4,}")
_NINES: Final = re.compile(r"9{3,}")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
# `2 500 000`, which no phone number is written like, `20240115`, and the number of a paper of some year.
_QUANTITY: Final = re.compile(
    r"[1-9]\d?([ .\u00a0\u202f])(?:\d{3}\1)?000"
    r"|20[0-3]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d\d[-/]0\d{3,5}"
)
_POWER: Final = 1 << 16
"""What is divisible by it counts bytes or tokens: one phone number in 65,536 is, too."""
_MOST_DIGITS_OF_A_POWER: Final = 13
_YMD = r"(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
_DMY = r"(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d"
_CLOCK = r"[T ]\d{1,2}(?::\d\d){1,2}(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_DATE: Final = re.compile(rf"(?<!\d)(?<!\d[-/.])(?:{_YMD}|{_DMY})(?:{_CLOCK})?(?![-/.]?\d)")

LEAST_PHONE_DIGITS: Final = 7
"""Below seven digits it is no subscriber number anywhere that matters."""
TRUNK_DIGITS: Final = range(9, 13)
"""Digits of a national number with its leading zero."""
_PHONE_WORD: Final = re.compile(
    r"(?:tel|phone|telefon[eo]?|mobile?|mob|fax|cell|gsm|whatsapp|sms|call|handy|portable)\W{0,3}\Z",
    re.IGNORECASE,
)
_LONGEST_PHONE_WORD: Final = 16
_EXTENSION: Final = re.compile(r"\s?(?:x|ext)\.?\s?\d", re.IGNORECASE)

CARD_DIGITS: Final = range(13, 20)
"""ISO/IEC 7812-1: 13 to 19 digits in practice."""
_CARD_STARTS: Final = "23456"
"""First digits of the networks that are used; 1 is for airlines, and what milliseconds since 1970 start with."""


def without_dates(text: str) -> str:
    """The text without its dates, whose digits are nobody's."""
    return _DATE.sub("…", text)


def holds_phone(text: str) -> bool:
    """Whether a phone number seems to stand in the text, out of which dates have been taken."""
    return any(_is_phone(text, run) for run in _RUN.finditer(text))


def _is_phone(text: str, run: re.Match[str]) -> bool:
    groups = _GROUP.findall(run[0])
    digits = "".join(groups)
    if len(digits) < LEAST_PHONE_DIGITS:
        return False
    start, end = run.span()
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if run[0].startswith("+") and not before.isdigit():
        return True
    if _PHONE_WORD.search(text, max(0, start - _LONGEST_PHONE_WORD), start):
        return True
    in_a_word = before.isalnum() or (after.isalnum() and not _EXTENSION.match(text, end))
    if in_a_word or before in {"-", "_", "."} or after in {"-", "_"}:
        # Part of a code or an id, such as `plan_20240131`, unless it is a national number with its zero.
        return not before.isalnum() and digits[0] == "0" != digits[1] and len(digits) in TRUNK_DIGITS
    return not (_is_harmless(groups) or _is_quantity(run[0]))


def _is_quantity(run: str) -> bool:
    """Whether a run that nothing marks as a phone number is a quantity, a date or the number of a paper."""
    if run.isdecimal() and len(run) <= _MOST_DIGITS_OF_A_POWER and run[0] != "0" and int(run) % _POWER == 0:
        return True
    return _QUANTITY.fullmatch(run) is not None


def _is_harmless(groups: list[str]) -> bool:
    """Whether every group is a year, a round number or the end of a range (`1000-9999`), or a piece of `1 000 000`."""
    for group, following in zip(groups, [*groups[1:], ""], strict=True):
        if group == "000":
            continue  # behind one that starts a number, or a "000" again: what starts with it has failed already
        starts_thousands = following == "000" and len(group) <= 3 and group[0] != "0"
        is_round = (_LONG_ROUND if len(group) >= LEAST_PHONE_DIGITS else _ROUND).fullmatch(group)
        if not (starts_thousands or is_round or _NINES.fullmatch(group) or _YEAR.fullmatch(group)):
            return False
    return groups[0] != "000"


# Separators that numbers of other kinds have too: only in fours.
_FOURS: Final = re.compile(r"(?<!\d)[2-6]\d{3}([_,:])\d{4}\1\d{4}\1\d{1,7}(?!\d)")


def holds_card(text: str) -> bool:
    """Whether the number of a payment card seems to stand in the text: by its length, first digit and check digit."""
    return any(
        len(number) in CARD_DIGITS and number[0] in _CARD_STARTS and _luhn(number)
        for run in _RUN.finditer(text)
        if not _is_harmless(groups := _GROUP.findall(run[0]))
        for number in _joined(groups)
    ) or any(_luhn("".join(_GROUP.findall(four[0]))) for four in _FOURS.finditer(text))


def _joined(groups: list[str]) -> Iterator[str]:
    """Neighbouring groups as one number, as long as a card's can be: something else may stand before or behind it."""
    for start in range(len(groups)):
        number = ""
        for group in groups[start : start + CARD_DIGITS.stop]:
            number += group
            if len(number) >= CARD_DIGITS.stop:
                break
            yield number


def _luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    digits = [int(character) for character in reversed(number)]
    return (
        sum(digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(digits))
        % 10
        == 0
    )


# ---- bank accounts ----

# Length of an IBAN by its country: ISO 13616 registry, release 99.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_START: Final = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=[Ii][Bb][Aa][Nn]))[A-Za-z]{2}[ ._/-]?\d[ ._/-]?\d")
_NOT_IBAN: Final = re.compile(r"[\s.\-_/]")


def holds_iban(text: str) -> bool:
    """Whether an IBAN stands in the text: by its country, its length and its check digits."""
    return any(_is_iban(text[start.start() : start.start() + 80]) for start in _IBAN_START.finditer(text))


def _is_iban(text: str) -> bool:
    plain = _NOT_IBAN.sub("", text).upper()
    number = plain[: _IBAN_LENGTHS.get(plain[:2], 0)]
    if not number or len(number) < _IBAN_LENGTHS[plain[:2]] or not (number.isascii() and number.isalnum()):
        return False
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1


# ---- amounts of money ----

_SIGN = r"[$€£¥₹₽₩₪₺₫₴₦฿¢₿]"
_THREE_LETTERS = (
    r"(?i:eur|usd|gbp|chf|jpy)|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ARS|CLP|INR|CNY|RMB|HKD|SGD|TWD|KRW|THB|IDR|MYR|"
    r"VND|AED|SAR|ILS|ZAR|NGN|KES|XOF|XAF|RUB|UAH|BTC|ETH"
)
_CODE = rf"{_THREE_LETTERS}|Rs\.?|zł"
_WORD = (
    r"(?i:euros?|dollars?|bucks|pounds?|yens?|yuan|rupees?|francs?|pesos?|reais|kr|roubles?|rubles?|руб|baht|dirhams?|"
    r"riyals?|shekels?|liras?|rand|cents?|pence)|cts?|TL"
)
_MANY = r"[kKmM]|bn|[Mm]io\.?|[Mm]rd\.?|(?i:millions?|milliards?|billions?|thousand|lakhs?|crores?)"


def _behind(*currencies: str) -> str:
    """A digit that was just read stands behind one of these, each of one width: a pattern looks back no other way."""
    return "|".join(rf"(?<={one}\d)|(?<={one}\s\d)" for one in currencies)


_NO_WORD = "(?<![A-Za-z])"
_BEHIND_CODE = _behind(_SIGN, rf"{_NO_WORD}(?:{_THREE_LETTERS})", rf"{_NO_WORD}(?:Rs|zł)", rf"{_NO_WORD}Rs\.")
_BEHIND_CROWN = rf"(?<={_NO_WORD}kr\s\d)|" + _behind(rf"{_NO_WORD}(?:kr|Fr)\.", rf"{_NO_WORD}SFr\.")
# An amount is found by its digit, and most digits stand in a code such as `plan_g81`: behind a digit or `_` is no
# currency, and in front of one is a letter or a sign.
_AMOUNT: Final = re.compile(
    rf"\d(?:(?<![\d_]\d)(?:(?![dD]\b)(?:{_BEHIND_CODE})|{_BEHIND_CROWN})"
    rf"|[\d\s.,'’\-–]{{0,20}}+(?=[^\W\d_]|{_SIGN})(?:(?:{_MANY})\s?(?:d['’]|de\s)?)?"
    rf"(?:[A-Za-z]{{0,2}}{_SIGN}|(?:{_CODE}|{_WORD})(?![A-Za-z]))"
    r"|[\d,.]{0,20}+\s?[万億만천]?[円元원])"
)


def holds_amount(text: str) -> bool:
    """Whether an amount of money seems to stand in the text: a number beside a currency."""
    return _AMOUNT.search(text) is not None
