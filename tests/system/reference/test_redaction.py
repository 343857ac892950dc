"""No secret gets past redaction, by whatever way it is written; and what is none stays."""

import json
import string
from collections import namedtuple
from dataclasses import dataclass

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from system.reference.redaction import MASK, is_secret, redact, redact_text

pytestmark = pytest.mark.unit

AUDIT = ("password", "token", "secret", "apiKey", "authorization", "creditCard", "ssn", "pin")
FORMS = (*AUDIT, "api_key", "api-key", "credit_card", "X-Api-Key", "dbPassword", "accessToken", "user_pin", "userPIN")
SECRET = "s3cr3t-Zq7"  # noqa: S105  # it is one here


@st.composite
def keys(draw: st.DrawFn) -> str:
    """One of the forms, in any case."""
    form = draw(st.sampled_from(FORMS))
    cases = draw(st.lists(st.booleans(), min_size=len(form), max_size=len(form)))
    changed = "".join(c.swapcase() if swap else c for c, swap in zip(form, cases, strict=True))
    # A short word inside a longer key is known by its humps or its separators, so those must stay.
    return form if form.startswith("user") and form != "user_pin" else changed


plain = st.none() | st.booleans() | st.integers() | st.text(string.ascii_letters + " .,:;=", max_size=12)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | keys(), inner, max_size=3),
    max_leaves=10,
)


@given(keys())
def test_each_form_of_each_key_in_any_case_is_known(key: str) -> None:
    assert is_secret(key)
    assert is_secret(key.encode())


@pytest.mark.parametrize("key", ["shipping", "spinner", "opinion", "name", "classname", "pinned", "key", "author", 7])
def test_words_that_only_look_like_one_are_left(key: object) -> None:
    assert not is_secret(key)


@given(keys(), values, values)
def test_secret_in_any_structure_is_gone_and_the_rest_is_not(key: str, beside: object, inside: object) -> None:
    secret = {"deep": [SECRET, {"and": inside}], SECRET: 1}
    shown = redact({"a": [({"b": {key: secret}}, beside)], "rest": "kept"})
    assert SECRET not in repr(shown)
    assert isinstance(shown, dict)
    assert shown["rest"] == "kept"
    assert shown["a"][0][0]["b"] == {key: MASK}


@given(values)
def test_redacting_twice_is_redacting_once(value: object) -> None:
    once = redact(value)
    assert redact(once) == once


@dataclass
class Login:
    user: str
    password: str


Pair = namedtuple("Pair", "user token")  # noqa: PYI024  # the untyped form is the subject


def test_pairs_objects_sets_and_bytes() -> None:
    value = [
        ("Authorization", SECRET),
        Login("ann", SECRET),
        Pair("ann", SECRET),
        {f"pin={SECRET}"},
        b"token=" + b"abc",
    ]
    shown = repr(redact(value))
    assert SECRET not in shown
    assert "abc" not in shown
    assert shown.count("ann") == 2
    assert redact(value)[3] == [f"pin={MASK}"]  # type: ignore[index]


def test_value_that_holds_itself_ends() -> None:
    value: list[object] = [{"password": SECRET}]
    value.append(value)
    assert SECRET not in repr(redact(value))


TEXTS = [
    "{key}={secret}",
    "{key} = {secret}, and more",
    "{key}: {secret}",
    'x["{key}"] = "{secret}"',
    "'{key}': '{secret}'",
    '"{key}": "{secret}"',
    '{{"a": 1, "{key}": ["{secret}", {{"b": "{secret}"}}], "c": 2}}',
    '\\"{key}\\": \\"{secret}\\"',
    "{key}={secret}&page=2",
    "run --{key} {secret} --verbose",
    "{key}: Bearer {secret}",
    "{key}: Basic {secret}==",
    "Bearer {secret}",
    "redis://user:{secret}@host:6379/0",
    "def f({key}: str = '{secret}'):",
    "{key}=b'{secret}'",
    "{key}='''{secret}'''",
    "headers=[('{key}', '{secret}')]",
    "assert {key} == '{secret}'",
    '"{key}": "a \\"quoted\\" {secret}"',
    '\'{{"{key}": "a \\\\"quoted\\\\" {secret}"}}\'',
    'Authorization: Digest username="{secret}", response="{secret}"',
    "failed: {key}={secret}) while trying",
    "{key}=ab(c{secret} and more",
    "{key} = read({secret})[1].{secret}",
]


@pytest.mark.parametrize("text", TEXTS)
@given(key=keys(), before=st.text(max_size=20), after=st.text(max_size=20))
def test_secret_in_any_way_of_writing_is_gone(text: str, key: str, before: str, after: str) -> None:
    shown = redact_text(f"{before}\n{text.format(key=key, secret=SECRET)}\n{after}")
    assert SECRET not in shown


@given(keys(), st.text(min_size=8))
def test_secret_of_any_characters_is_gone_from_json_and_repr(key: str, tail: str) -> None:
    secret = SECRET + tail + SECRET
    nested = {"user": "ann", key: secret}
    for text in (json.dumps(nested), repr(nested), json.dumps(json.dumps(nested)), repr(json.dumps(nested))):
        assert SECRET not in redact_text(text)
        assert "ann" in redact_text(text)


@given(
    st.lists(st.sampled_from([*FORMS, *"=:,'\"\\ \n([{}])&@", "://", "--", "Bearer ", "Basic ", MASK, "x1", "Error"]))
)
@example(["authorization", ":", " ", "Basic ", "x1", " ", "x1", "=", "x1"])
@example(["password", "=", "(", "}", "password"])
def test_redacting_a_text_twice_is_redacting_it_once(parts: list[str]) -> None:
    once = redact_text("".join(parts))
    assert redact_text(once) == once


@given(st.text(string.ascii_letters + string.digits + " .,:;=()'\"\n", max_size=200))
def test_text_without_a_secret_is_left_as_it_is(text: str) -> None:
    words = text.casefold()
    assume(not any(word in words for word in ("password", "token", "secret", "author", "ssn", "pin", "bearer")))
    assume(not any(word in words.replace(" ", "") for word in ("key", "card", "pass", "pwd", "cvv")))
    assert redact_text(text) == text


def test_what_stands_beside_a_secret_can_still_be_read() -> None:
    assert redact_text('{"pin": 1234, "n": 5}') == f'{{"pin": "{MASK}", "n": 5}}'
    assert redact_text("password=x, user=ann") == f"password={MASK}, user=ann"
    assert redact_text("InvalidTokenError: it has expired") == "InvalidTokenError: it has expired"
    assert redact_text("https://host/?token=abc&page=2") == f"https://host/?token={MASK}&page=2"
    assert redact_text("password=a(b, user=ann") == f"password={MASK}, user=ann"
    assert redact_text('("token", "pin", "name")') == '("token", "pin", "name")'
    assert json.loads(redact_text('{"a": {"secret": [1, "]"]}}')) == {"a": {"secret": MASK}}


def test_long_text_costs_time_by_its_length_only() -> None:
    """A pattern that backtracks would take minutes here, and the test's time limit."""
    for text in ("a" * 100_000, "password" * 10_000, "token='" * 5_000, "[" * 50_000, "\\" * 100_000, "a " * 50_000):
        assert isinstance(redact_text(text), str)
