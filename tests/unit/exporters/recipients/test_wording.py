"""Titles and texts: whatever a value holds, it is shown and does nothing."""

import html
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporters.recipients import markup
from exporters.recipients.notification import Message, Notification
from exporters.recipients.senders.syslog import encoded
from exporters.recipients.senders.webhook import signature, signing_key
from exporters.recipients.settings import Slack, Webhook
from exporters.recipients.wording import JsonBody, Unwordable, Wording
from tests.unit.exporters.samples import alert
from topics.errors import TaplineError

ANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=60) | st.text(
    "\\`*_~|<>[]()#@&;-+!:/ \r\nax", max_size=30
)


def told(event: str = "raised", **changes: Any) -> Notification:
    changed = msgspec.structs.replace(alert(1, event), **changes)  # type: ignore[arg-type]
    return Notification(changed.id, event, changed)  # type: ignore[arg-type]


def wording(title: str = "", text: str = "", escape: Any = markup.plain, **limits: int) -> Wording:
    return Wording(Slack(name="x", url="env:X"), escape, title=title, text=text, **limits)


def test_the_usual_words() -> None:
    message = wording().of_one(told())
    assert message.title == "[error] raised: short-ssh on 192.0.2.10"
    assert message.text.splitlines() == [
        "a session of 900 bytes",
        "192.0.2.10:50000 > [2001:db8::1]:443 tcp",
        "2023-11-14 22:14:10+00:00, by short_ssh.py, 3 times",
    ]
    assert (message.key, message.event, message.severity) == (alert(1).id, "raised", 5)
    seen = wording().of_one(Notification("i", "acknowledged", alert(1), "ada", "on it"))
    assert seen.title.startswith("[error] seen:")
    assert seen.text.splitlines()[-1] == "seen by ada: on it"


def test_the_words_one_wants() -> None:
    chosen = wording(
        "{{ alert.entity | upper }} {{ began }}", "{% for name in alert.attributes %}{{ name }};{% endfor %}"
    )
    chosen.check()
    message = chosen.of_one(told(attributes={"a": "1", "b": "2"}))
    assert (message.title, message.text) == ("192.0.2.10 2023-11-14 22:13:10+00:00", "a;b;")


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("{{ alert.entity", "is no template"),
        ("{{ alert.entiy }}", "cannot be filled in"),
        ("{{ nothing }}", "cannot be filled in"),
        ("{{ alert.message.__class__.__mro__ }}", "cannot be filled in"),
        ("{{ alert.update({}) }}", "cannot be filled in"),
        ("{% include '/etc/passwd' %}", "cannot be filled in"),
    ],
)
def test_templates_that_cannot_be_used_are_told_at_once(title: str, reason: str) -> None:
    with pytest.raises(TaplineError, match=reason):
        wording(title).check()


def test_a_template_that_fails_for_one_alert_says_so() -> None:
    chosen = wording("{{ alert.attributes.client }}{% if alert.type == 'test' %}{% endif %}")
    with pytest.raises(TaplineError):
        chosen.check()
    with pytest.raises(Unwordable, match="cannot be filled in"):
        chosen.of_one(told(attributes={}))


@ANY
@given(TEXTS)
@example("- item")
@example("[x](y)")
def test_no_markdown_of_a_value_is_left(text: str) -> None:
    shown = markup.markdown(text)
    bare = re.sub(r"\\.", "", shown)
    assert not set(bare) & set("\\`*_~|<>[]#")
    assert not re.search(r"@\w", shown)
    assert not re.match(r"[-+]", bare) or shown.startswith("\\")
    assert "\n" not in shown


@ANY
@given(TEXTS)
def test_telegram_and_slack_get_no_tags(text: str) -> None:
    for shown in (markup.telegram(text), markup.slack_fallback(text)):
        assert "<" not in shown
        assert ">" not in shown
        assert re.sub(r"&(amp|lt|gt);", "", shown).count("&") == 0
    assert html.unescape(markup.telegram(text)).replace("\u200b", "") == markup.plain(text).replace("\u200b", "")
    markup.plain(text).encode()


@ANY
@given(TEXTS, TEXTS)
def test_a_value_adds_no_line_and_fits(one: str, other: str) -> None:
    message = wording(escape=markup.telegram, most_title=100, most_text=200).of_one(told(message=one, entity=other))
    assert "\n" not in message.title
    assert len(message.text.splitlines()) <= 3
    assert len(message.title) <= 100
    assert len(message.text) <= 200


@ANY
@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_json_of_a_template_holds_what_the_alert_holds(one: str, other: str, attributes: dict[str, str]) -> None:
    body = JsonBody(
        Webhook(name="x", url="http://x"),
        '{"a": {{ alert.message }}, "b": [{{ alert.entity }}], "c": {{ alert.attributes }}}',
    )
    try:
        encodable = (one + other + "".join(attributes) + "".join(attributes.values())).encode()
    except UnicodeEncodeError:
        encodable = b""
    message = Message(key="k", title="", text="", listed=[told(message=one, entity=other, attributes=attributes)])
    try:
        made = msgspec.json.decode(body.of(message))
    except Unwordable:
        assert not encodable
        return
    assert made == {"a": one, "b": [other], "c": attributes}


@pytest.mark.parametrize("body", ["{{ id }", '{"a": {{ nothing }}}', '{"a": {{ id }}', "text {{ id }}"])
def test_a_body_that_makes_no_json_is_told_at_once(body: str) -> None:
    with pytest.raises(TaplineError, match="its body is no template of JSON"):
        JsonBody(Webhook(name="x", url="http://x"), body)


def test_many_are_listed_as_far_as_there_is_room() -> None:
    listed = [told(entity=f"host-{number}") for number in range(40)]
    message = wording(most_text=300).of_many("k", listed, Counter({"short-ssh": 38, "b": 2}))
    assert message.title == "40 alerts: 38 short-ssh, 2 b"
    lines = message.text.splitlines()
    assert lines[0] == "[error] raised: short-ssh on host-0"
    assert lines[-1] == f"… and {40 - len(lines) + 1} more"
    assert len(message.text) <= 300
    many = Counter({f"t{number}": 1 for number in range(8)})
    assert wording().of_many("k", listed[:8], many).title.endswith("and 3 other types")


@ANY
@given(TEXTS, TEXTS)
def test_a_syslog_message_is_one_line_of_its_form(one: str, other: str) -> None:
    try:
        line = encoded(told(message=one, entity=other, type=one), "host", 16)
    except ValueError:
        return
    head = re.compile(
        rb"<131>1 2023-11-14T22:14:10\.\d{6}Z host tapline - raised "
        rb'\[alert@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")+\] (\{.*\})',
        re.DOTALL,
    )
    found = head.fullmatch(line)
    assert found is not None
    assert not re.search(rb"[\x00-\x1f]", line)
    assert msgspec.json.decode(found[3]).get("message", "") == one


def test_the_signature_of_standard_webhooks() -> None:
    # The example of the specification's reference library.
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "x")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    with pytest.raises(TaplineError, match="no base64"):
        signing_key("whsec_%%%", "recipient x")
