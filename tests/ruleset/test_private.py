"""What must not leave in a text or under a name, and what is harmless and must."""

import inspect
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.ruleset import private, private_numbers
from extractor.ruleset.private import NameDoubt, TextDoubt, doubt_name, doubt_text

HARMLESS = """
Storage GB|starter|2024 Q1|Pro 500|API v2.10.3|2024-01-31|31/12/2024|2024.12.31|2024-12-31T10:00:00Z
2026-11-22 11:44:06|2024-01-31 2024-02-29|5000 10000 20000|plan_81d4_0|Plan 2024-2025|1 000 000 events|1.000.000 calls|Up to 1,000,000 requests|10000000 calls
1000-5000 seats|Pro 100/200/300|24/7 support|365 days|12 months at 20% off|99.99% uptime|2 x 8 vCPU / 32 GB|10k-50k
0eb22b12-d903-4cfa-b55f-77e5847bf330|customer_0eb22b12-d903-4cfa-b55f-77e5847bf330|507f1f77bcf86cd799439011
12345678-1234-1234-1234-123456789012|plan_1700000000|order-20240131|invoice-2024-000123|bucket_2024_10_500
price_1MoBy5LkdIwHu7|BF24BLACKFRIDAY|BE24BLACKFRIDAYS|FR24SUMMERPROMO|SUMMER-2024|WELCOME10|EnterpriseCustomersAnnualPlanGold
tokens_per_million_input|token-based-authentication|keyboard_shortcuts_plan|skateboarding_monthly|sk_for_small_companies
Basic subscription|Basic Subscription2024|Bearer certificates|Try 30 days|C++ 2024|PHP 8 workers|ISO 27001|RFC 2822
Look at the dot plot|Data at rest|%s %d|A => B|{weird: "name"}|gid://lago-api/Plan/1|Tokens "in"|Emoji 🚀 credits
Tier 3 – 1000 calls|ACME 24/7|Pro 100|ISO 27001 audit|Q4-2025|Enterprise 2025/2026|FY24/25|10.0.0.1|CAD 3D seats|TL 9000|RS-485 gateway
1080p video|4K video|IPv4 /24|1000-9999|2 500 000 calls|2.500.000 events|build 20240115|release 2024.01.15|ref 2024-000123|1048576 tokens
2097152 bytes|131072 tokens|100 CT scans|Won 3 times|Free tier at launch|Support at scale|01HZX3K8Q5W9YB2N4M6P8R0T1V|cus_NffrFeUfNV2Hib|gpt-4o-mini
日本語 メトリック|Séats «actifs»|GPU\\hours|nil|line\nbreak|tab\tname|<b>bold</b> & co|US-East-1|x86_64|1.27.0+20240115
"""

PRIVATE = {
    TextDoubt.EMAIL: """
erlich@hooli.example|a@b|Ask ops@hooli.example|erlich @ hooli|erlich＠hooli.example|e\u200brlich@\u200bhooli.example
"erlich bachman"@hooli.example|用户@例子.公司|erlich@xn--mnchen-3ya.example|erlich  @  hooli.example|erlich@[192.168.0.1]|e r l i c h @ h o o l i
erlich_at_hooli.com|erlich at hooli.com|erlich <at> hooli.com|erlich&commat;hooli.com|erlich&#x40;hooli.com|erlich%2540hooli.com|erlich arroba hooli punto com
erlich (at) hooli.example|erlich [at] hooli|erlich at hooli dot com|erlich%40hooli.example|https://user:pass@host/
""",
    TextDoubt.PHONE: """
Call +33197828348|+33 6 12 34 56 78|+33(0)612345678|0033 6 12 34 56 78|06 12 34 56 78|06.12.34.56.78|06-12-34-56-78
0612345678|06\u00a012\u00a034\u00a056\u00a078|06·12·34·56·78|０６１２３４５６７８|٠٦١٢٣٤٥٦٧٨|(415) 555-2671|1-415-555-2671
415.555.2671|+1 (415) 555\u20112671|415-555-2671 x12|415-555-2671x12|020 7946 0958|(020) 7946 0958|030 901820|030/901820
0151-23456789|+39 06 698 123 45|600 123 456|+48 600 123 456|8 (495) 123-45-67|+7 495 123-45-67|138 1234 5678
03-1234-5678|090-1234-5678|98765 43210|(11) 91234-5678|+61 2 9374 4000|+972 54-123-4567|555-0123|Tel:0612345678
tel.0612345678|phone_0612345678|0612345678-Erlich|Acme_0612345678|+33561407982_old|2 0612345678 10|1 2 3 0612345678
""",
    TextDoubt.CARD: """
4111 1111 1111 1111|4111111111111111|4111-1111-1111-1111 12/27|card 4111111111111111|card4111111111111111
4111_1111_1111_1111|4111:1111:1111:1111|4111,1111,1111,1111|4111.1111.1111.1111|4111\u200b1111\u200b1111\u200b1111
5555 5555 5555 4444|378282246310005|3 4111 1111 1111 1111
""",
    TextDoubt.IBAN: """
FR76 3000 6000 0112 3456 7890 189|FR7630006000011234567890189|fr76 3000 6000 0112 3456 7890 189|DE89370400440532013000
IBANDE89370400440532013000|DE89_3704_0044_0532_0130_00|DE89/3704/0044/0532/0130/00|CH93 0076 2011 6238 5295 7
Acme GB82 WEST 1234 5698 7654 32 London|NL91ABNA0417164300|NL91-ABNA-0417-1643-00
""",
    TextDoubt.TOKEN: """
Bearer abcDEF123456ghiJKL|Basic dXNlcjpwYXNzd29yZA==|sk_live_4eC39HqLyjWDarjtT1zdp7dc|AKIAIOSFODNN7EXAMPLE
ghp_16C7e42F292c6912E7710c838347Ae178B4a|AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0
pk_live_abcdefghijklmnop1234567890|github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789|xoxp-1234567890-1234567890-abcdef
https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX|ya29.a0AfH6SMBx1234567890abcdef|lago_key_1234567890abcdef
glpat-ABCdef123456ghiJKL78|npm_ABCDEFghijkl1234567890ABCDEFghijkl12|sk-proj-abc123DEF456ghi789JKL|whsec_5f4dcc3b5aa765d61d8327deb882cf99
-----BEGIN RSA PRIVATE KEY-----|api_key=hunter2hunter|password: hunter2|key 5f4dcc3b5aa765d61d8327deb882cf99
""",
    TextDoubt.AMOUNT: """
Acme at 40 000 €|40€|€ 40|40 EUR|40EUR|40 eur|USD100|US$40|R$ 50|40k €|40.000,- €|500 dollars|2.5 million USD
USD 1,200.50|1.2k$|₹5 lakh|5 lakh rupees|INR 5,00,000|CHF 12.–|Fr. 12.-|40.000,00 EUR|12€50|2 M€|2 millions d'euros|10,000円|1万円|500元
kr 50|50,- kr|100us$|A$50|100 reais|100 bucks|100 руб|500 baht|100 TL|10 ct|0,05 €/req|４０€|$0.10/call|2 Mio. EUR
Rs. 500|1 200 kr|£5|¥5000|99 cents|$1|12 zł
""",
}


def listed(texts: str) -> list[str]:
    """The texts of a table: one between two bars or line ends."""
    return re.split(r"\||\n(?=\S)", texts.strip("\n").replace("line\nbreak", "line break"))


@pytest.mark.parametrize("text", listed(HARMLESS))
def test_what_plans_and_codes_are_called_may_leave(text: str) -> None:
    """A name that is dropped for nothing makes the events useless, and the check is then switched off."""
    assert doubt_text(text) is None


@pytest.mark.parametrize(
    ("text", "doubt"), [(text, doubt) for doubt, texts in PRIVATE.items() for text in listed(texts)]
)
def test_something_private_is_seen_in_any_spelling(text: str, doubt: TextDoubt) -> None:
    """By itself, and with words around it."""
    assert doubt_text(text) is doubt
    assert doubt_text(f"Plan for {text} (old)") is not None


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        *((name, NameDoubt.RESERVED) for name in ("revenue", "value", "currency", "Value")),
        *(
            (name, NameDoubt.AMOUNT)
            for name in ("amount", "amount_cents", "plan_amount_cents", "unitAmountCents", "mrr")
        ),
        *((name, NameDoubt.AMOUNT) for name in ("total_price", "AmountEUR", "balance", "tax-amount")),
        *(
            (name, NameDoubt.PERSONAL)
            for name in ("email", "customerEmail", "phone", "ip", "ip_address", "organization_name")
        ),
        *(
            (name, NameDoubt.PERSONAL)
            for name in ("address_line1", "legal_name", "api_key", "webhook_url", "tax_id", "iban")
        ),
    ],
)
def test_a_name_that_promises_something_private_is_doubted(name: str, doubt: NameDoubt) -> None:
    """In snake case, camel case or with hyphens."""
    assert doubt_name(name) is doubt


@pytest.mark.parametrize(
    "name",
    [
        "code",
        "name",
        "description",
        "plan_code",
        "nb_charges",
        "trial",
        "billing_time",
        "invoice_id",
        "addon_name",
        "zipper",
    ],
)
def test_other_names_need_no_reason(name: str) -> None:
    """What the shipped pack sends, among others."""
    assert doubt_name(name) is None


@given(st.text())
def test_the_check_is_total(text: str) -> None:
    """Half a surrogate, a superscript digit, a letter that unfolds into a sentence: an answer, never an error."""
    assert doubt_text(text) in {None, *TextDoubt}
    assert doubt_name(text) in {None, *NameDoubt}


@given(
    st.sampled_from([text for texts in PRIVATE.values() for text in listed(texts)]),
    st.text("abc XYZ,;", max_size=20),
    st.text("abc XYZ,;", max_size=20),
)
def test_words_around_it_hide_nothing(text: str, before: str, behind: str) -> None:
    """Whatever stands before and behind, as long as there is a space."""
    assert doubt_text(f"{before} {text} {behind}") is not None


PLAIN_AMOUNT = re.compile(
    rf"(?:{private_numbers._SIGN}|(?<![A-Za-z])(?:{private_numbers._CODE}))\s?\d(?![dD]\b)"
    r"|(?<![A-Za-z])(?:kr\s|(?:kr|S?Fr)\.\s?)\d"
    rf"|\d[\d\s.,'’\-–]{{0,20}}+(?:(?:{private_numbers._MANY})\s?(?:d['’]|de\s)?)?"
    rf"(?:[A-Za-z]{{0,2}}{private_numbers._SIGN}|(?:{private_numbers._CODE}|{private_numbers._WORD})(?![A-Za-z]))"
    r"|\d[\d,.]{0,20}+\s?[万億만천]?[円元원]"
)
"""An amount from left to right, as people say it: what is looked for by its digit must be the same."""
PIECES = [
    *[
        "0",
        "1",
        "7",
        "12",
        "2024",
        "77777777777",
        ".",
        ",",
        "-",
        "_",
        "–",
        "’",
        "'",
        "$",
        "€",
        "₿",
        "a",
        "A",
        "d",
        "D",
        "S",
        "k",
        "m",
        "bn",
        "Mio.",
        "mrd",
        "d'",
        "x",
        "é",
        "й",
        "万",
        "円",
        "원",
    ],
    *[
        "EUR",
        "eur",
        "Usd",
        "usd",
        "CAD",
        "cad",
        "SEK",
        "ETH",
        "Rs",
        "Rs.",
        "zł",
        "kr",
        "kr.",
        "Fr.",
        "SFr.",
        "Fr",
        "dollars",
        "cents",
        "ct",
        "cts",
        "TL",
        "руб",
        "B",
        "ab",
        "abc",
    ],
    *("  ", " ", "\t", "\u00a0", "de ", "millions ", "thousand "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.from_regex(PLAIN_AMOUNT))
def test_an_amount_is_found_from_its_digit_as_from_left_to_right(text: str) -> None:
    """Faster to look for, and neither more nor less."""
    assert private_numbers.holds_amount(text) == (PLAIN_AMOUNT.search(text) is not None)


@given(st.from_regex(private._SPELT_AT))
def test_no_spelling_of_an_at_is_passed_over(text: str) -> None:
    """What is looked at first is a part of every one."""
    assert private._holds_email(text)


@given(st.from_regex(private._LIKELY_TOKEN) | st.from_regex(private._LONG_CHUNK), st.text())
def test_no_long_run_is_passed_over(text: str, before: str) -> None:
    """Only a text with ten letters or digits in a row is searched for something random."""
    random = [
        chunk
        for tail in private._LIKELY_TOKEN.findall(before + text)
        for chunk in private._CHUNK.findall(tail)
    ] + [chunk.lower() for chunk in private._LONG_CHUNK.findall(before + text)]
    assert private._holds_token(before + text) or not any(map(private._looks_random, random))


HOSTILE = [
    "1",
    "1 ",
    "12-",
    "(1",
    "+1",
    "1.",
    "0123456789 ",
    "1 000 ",
    "2024-",
    "2024-01-01 ",
    "a@",
    "@",
    "a at b ",
    " at x dot ",
]
HOSTILE += [
    "%40",
    "( at ",
    "eyJ",
    "eyJabcdefghi",
    "sk_",
    "sk_a1",
    "bearer ",
    "token ",
    "aB1",
    "basic a ",
    "FR76 ",
    "FR 7",
    "1,",
    "€",
]
HOSTILE += [
    "2 500 ",
    "4242_",
    "1万",
    "a_at_",
    "a at b.",
    "kr ",
    "1 lakh d'",
    "IBAN",
    "xoxb-1",
    "&#x40",
    "9999 ",
]
HOSTILE += ["tel ", "Rs ", "1 dolla", "x1234567 ", "\u200b1", "\ufdfa", "A1-"]
SCANS: list[Callable[[str], object]] = [
    inspect.unwrap(doubt_text),  # answers that are kept would make the second look free
    doubt_name,
    private._holds_email,
    private._holds_token,
    private_numbers.holds_iban,
    private_numbers.holds_amount,
    private_numbers.holds_card,
    private_numbers.holds_phone,
]


def seconds(scan: Callable[[str], object], text: str) -> float:
    """Processor time of one scan."""
    begun = time.process_time()
    scan(text)
    return time.process_time() - begun


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.__name__)
def test_a_hostile_text_costs_no_more_than_its_length(scan: Callable[[str], object]) -> None:
    """Sixteen times the text: sixteen times the work, where a square would be 256; customers choose these texts."""
    for unit in HOSTILE:
        short = min(seconds(scan, (unit * 2_000)[:2_000]) for _ in range(3))
        assert seconds(scan, (unit * 32_000)[:32_000]) < max(80 * short, 0.05), unit
