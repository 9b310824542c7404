"""What sends to each service by HTTP, against real servers or, of the services, a stand-in."""

from __future__ import annotations

import base64
import hmac
from collections import Counter

import msgspec
import pytest

from exporters.recipients.digest import Digest
from exporters.recipients.exporter import send_test
from exporters.recipients.notification import moment
from exporters.recipients.opening import sender_for, wording_for
from exporters.recipients.senders.sender import Rejected, Unavailable
from exporters.recipients.settings import (
    AnyRecipient,
    Apprise,
    Discord,
    Mattermost,
    PagerDuty,
    Slack,
    Teams,
    Telegram,
    Webhook,
)
from tests.integration.exporters.recipients.sending import HOSTILE, notification, sending
from tests.integration.exporters.recipients.servers import Proxy, WebServer, closed_port
from tests.unit.exporters.samples import alert
from topics.errors import TaplineError


def test_a_webhook_is_signed_and_named(web: WebServer, certificate, monkeypatch) -> None:
    key = b"a key of 24 bytes or more"
    monkeypatch.setenv("SIGNING", f"whsec_{base64.b64encode(key).decode()}")
    monkeypatch.setenv("TOKEN", "Bearer t0k3n")
    hook = Webhook(
        name="hook",
        url=f"{web.url}/alerts",
        ca_file=str(certificate[0]),
        headers={"Authorization": "env:TOKEN", "X-Site": "here"},
        secret="env:SIGNING",
    )
    with sending(hook) as send:
        send(notification())
        send(notification("released", 2))
    first, second = web.requests
    assert (first.path, first.headers["Authorization"], first.headers["X-Site"]) == ("/alerts", "Bearer t0k3n", "here")
    assert first.headers["webhook-id"] == first.headers["Idempotency-Key"] == notification().id
    signed = b".".join((first.headers["webhook-id"].encode(), first.headers["webhook-timestamp"].encode(), first.body))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert first.headers["webhook-signature"] == f"v1,{expected}"
    assert (first.json["event"], second.json["event"]) == ("raised", "released")
    assert first.json["alerts"][0]["rule"]["ruleset"] == "short_ssh.py"


def test_a_webhook_has_the_body_that_is_wanted(web: WebServer, certificate) -> None:
    hook = Webhook(
        name="hook",
        url=web.url,
        ca_file=str(certificate[0]),
        body='{"text": {{ title }}, "who": {{ alert.entity }}, "why": {{ alert.message }}, "n": {{ alert.count }}}',
    )
    with sending(hook) as send:
        send(notification(message=HOSTILE, entity='", "admin": true, "x": "'))
    (request,) = web.requests
    assert set(request.json) == {"text", "who", "why", "n"}
    assert request.json["who"] == '", "admin": true, "x": "'
    assert request.json["why"] == HOSTILE


def test_a_certificate_that_is_not_trusted_is_no_connection(web: WebServer) -> None:
    with sending(Webhook(name="hook", url=web.url)) as send, pytest.raises(Unavailable, match="tls"):
        send(notification())
    assert not web.requests


@pytest.mark.parametrize(
    ("status", "headers", "kind", "text"),
    [
        (400, {}, Rejected, "400: it answers 400: no more of this"),
        (404, {}, Rejected, "404"),
        (302, {"Location": "/elsewhere"}, Rejected, "a redirection: write the URL"),
        (429, {"Retry-After": "7"}, Unavailable, "429"),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Unavailable, "503"),
        (500, {"Retry-After": "soon"}, Unavailable, "500"),
    ],
)
def test_answers_of_a_server(other_web: WebServer, status: int, headers: dict, kind: type, text: str) -> None:
    other_web.answers.append((status, headers))
    with sending(Webhook(name="hook", url=other_web.url)) as send:
        with pytest.raises(kind, match=text) as failure:
            send(notification())
        send(notification(number=2))
    if kind is Unavailable:
        assert failure.value.seconds == (7 if headers.get("Retry-After") == "7" else 0)


def test_a_server_that_is_not_there_or_says_nothing(other_web: WebServer) -> None:
    with (
        closed_port() as port,
        sending(Webhook(name="hook", url=f"http://127.0.0.1:{port}/s3cret")) as send,
        pytest.raises(Unavailable, match="unreachable") as failure,
    ):
        send(notification())
    assert "s3cret" not in str(failure.value)
    other_web.let_go.clear()
    with sending(Webhook(name="hook", url=other_web.url, timeout=0.1)) as send, pytest.raises(Unavailable) as failure:
        send(notification())
    assert failure.value.reason == "timeout"


def chat(kind: type, web: WebServer, certificate, monkeypatch) -> AnyRecipient:
    monkeypatch.setenv("CHAT", web.url if kind is Telegram else f"{web.url}/secret")
    return kind(name="chat", url="env:CHAT", ca_file=str(certificate[0]))


def test_requests_go_through_a_proxy(web: WebServer, other_web: WebServer, certificate, monkeypatch) -> None:
    with Proxy("tapline", "s3cret/word") as proxy:
        monkeypatch.setenv("PROXY", f"http://tapline:s3cret%2Fword@{proxy.place}")
        for url in (f"{web.url}/safe", f"{other_web.url}/plain"):
            hook = Webhook(name="hook", url=url, ca_file=str(certificate[0]), proxy="env:PROXY")
            with sending(hook) as send:
                send(notification())
        assert [request.path for request in (*web.requests, *other_web.requests)] == ["/safe", "/plain"]
        assert proxy.asked == [web.url.removeprefix("https://"), f"{other_web.url}/plain"]
        monkeypatch.setenv("PROXY", f"http://tapline:wrong@{proxy.place}")
        hook = Webhook(name="hook", url=web.url, ca_file=str(certificate[0]), proxy="env:PROXY")
        with sending(hook) as send, pytest.raises(Unavailable, match="proxy") as failure:
            send(notification())
        assert "wrong" not in str(failure.value)
    with pytest.raises(TaplineError, match="secrets do not stand in the configuration"):
        sender_for(Webhook(name="hook", url=web.url, proxy="http://me:word@127.0.0.1:1")).open()
    with pytest.raises(TaplineError, match="proxy is none"):
        sender_for(Webhook(name="hook", url=web.url, proxy="127.0.0.1:3128")).open()


def test_each_service_gets_the_object_that_it_documents(web: WebServer, certificate, monkeypatch) -> None:
    """Slack's incoming webhooks, Mattermost's, Adaptive Cards of Teams, Discord's webhooks, Telegram's sendMessage."""
    monkeypatch.setenv("TOKEN", "123:abc")
    telegram = Telegram(name="t", token="env:TOKEN", chat="-100", server=web.url, ca_file=str(certificate[0]))
    told = []
    for recipient in (
        *(chat(kind, web, certificate, monkeypatch) for kind in (Slack, Mattermost, Teams, Discord)),
        telegram,
    ):
        with sending(recipient) as send:
            told.append(send(notification()))
    for message, request in zip(told, web.requests, strict=True):
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Idempotency-Key"] == message.key
    slack, mattermost, teams, discord, html = (request.json for request in web.requests)
    of_slack, of_mattermost, of_teams, of_discord, of_telegram = told
    assert slack == {
        "text": of_slack.title,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": of_slack.title, "emoji": False}},
            {"type": "section", "text": {"type": "plain_text", "text": of_slack.text, "emoji": False}},
        ],
    }
    assert mattermost == {"text": f"**{of_mattermost.title}**\n\n{of_mattermost.text}"}
    runs = [{"type": "TextRun", "text": of_teams.title, "weight": "bolder", "size": "medium"}]
    runs += [{"type": "TextRun", "text": line} for line in of_teams.text.splitlines() if line]
    assert teams == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": of_teams.title,
                    "body": [{"type": "RichTextBlock", "inlines": [run]} for run in runs],
                },
            }
        ],
    }
    assert discord == {
        "content": f"**{of_discord.title}**\n{of_discord.text}",
        "allowed_mentions": {"parse": []},
        "flags": 4,
    }
    assert html == {
        "chat_id": "-100",
        "text": f"<b>{of_telegram.title}</b>\n{of_telegram.text}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_slack_and_teams_show_text_as_it_is(web: WebServer, certificate, monkeypatch) -> None:
    for kind in (Slack, Teams):
        with sending(chat(kind, web, certificate, monkeypatch)) as send:
            send(notification(message=HOSTILE, entity="<!channel>"))
    slack, teams = (request.json for request in web.requests)
    assert all(block["text"]["type"] == "plain_text" for block in slack["blocks"])
    assert "<" not in slack["text"]
    assert "<!channel>" in slack["blocks"][0]["text"]["text"]
    card = teams["attachments"][0]["content"]
    assert {line["type"] for line in card["body"]} == {"RichTextBlock"}
    assert all(run["type"] == "TextRun" for line in card["body"] for run in line["inlines"])


def test_markup_of_others_is_shown_and_does_nothing(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "123:abc")
    telegram = Telegram(name="t", token="env:TOKEN", chat="-100", server=web.url, ca_file=str(certificate[0]))
    for recipient in (chat(Mattermost, web, certificate, monkeypatch), chat(Discord, web, certificate, monkeypatch)):
        with sending(recipient) as send:
            send(notification(message=HOSTILE))
    with sending(telegram) as send:
        send(notification(message=HOSTILE))
    mattermost, discord, html = (request.json for request in web.requests)
    for text in (mattermost["text"], discord["content"]):
        assert r"\<script\>\*bold\* \_it\_ \[x\](http://evil.example)" in text
        assert "@everyone" not in text
        assert "\x1b" not in text
    assert discord["allowed_mentions"] == {"parse": []}
    assert web.requests[2].path == "/bot123:abc/sendMessage"
    assert "&lt;script&gt;" in html["text"]
    assert html["text"].startswith("<b>[")
    assert "@everyone" not in html["text"]


def test_long_values_are_shortened_and_never_in_the_middle_of_markup(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "123:abc")
    telegram = Telegram(name="t", token="env:TOKEN", chat="1", server=web.url, ca_file=str(certificate[0]))
    with sending(telegram) as send:
        message = send(notification(message="<&>" * 5000, entity="&" * 3000))
    assert len(message.title) <= 200
    assert len(message.text) <= 3800
    for text in (message.title, message.text):
        assert text.count("&") == sum(text.count(whole) for whole in ("&lt;", "&amp;", "&gt;"))


def test_an_incident_names_what_happened(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    pager = PagerDuty(name="pager", routing_key="env:KEY", url=web.url, ca_file=str(certificate[0]))
    with sending(pager) as send:
        send(notification("raised", severity=8))
        send(notification("stored", 2, episode=""))
    incident, single = (request.json for request in web.requests)
    told = notification("raised", severity=8)
    assert incident == {
        "routing_key": "k" * 32,
        "event_action": "trigger",
        "dedup_key": alert().episode,
        "client": "Tapline",
        "payload": {
            "summary": "[emergency] raised: short-ssh on 192.0.2.10",
            "source": "192.0.2.10",
            "severity": "critical",
            "timestamp": moment(told.alert.time).isoformat(),
            "component": "short_ssh.py",
            "group": "security",
            "class": "short-ssh",
            "custom_details": msgspec.to_builtins(told.document()),
        },
        "links": [{"href": alert().links[0], "text": alert().links[0]}],
    }
    assert (incident["dedup_key"], single["dedup_key"]) == (alert().episode, alert(2).id)


def test_apprise_reaches_what_it_knows(other_web: WebServer, monkeypatch) -> None:
    monkeypatch.setenv("URL", other_web.url.replace("http://", "json://") + "/room")
    with sending(Apprise(name="a", url="env:URL")) as send:
        send(notification())
        other_web.answers.append((500, {}))
        with pytest.raises(Unavailable, match="not-delivered"):
            send(notification())
    assert other_web.requests[0].json["title"] == "[error] raised: short-ssh on 192.0.2.10"
    monkeypatch.setenv("URL", "nosuchthing://x")
    with pytest.raises(TaplineError, match="none that Apprise knows"):
        sender_for(Apprise(name="a", url="env:URL")).open()


def test_a_digest_in_words(other_web: WebServer) -> None:
    recipient = Webhook(name="hook", url=other_web.url)
    wording = wording_for(recipient, sender_for(recipient))
    collected = Digest(0.0, "digested")
    for number in range(3):
        collected.add(notification("raised", number, type="<a>" if number else "b"), 1.0)
    message = wording.of_many(collected.key("hook"), collected.listed, collected.types)
    assert message.title == "3 alerts: 2 <a>, 1 b"
    assert message.text.splitlines() == [
        "[error] raised: b on 192.0.2.10",
        "[error] raised: <a> on 192.0.2.10",
        "[error] raised: <a> on 192.0.2.10",
    ]
    assert message.severity == 5


def test_a_test_message_says_whether_it_arrived(other_web: WebServer) -> None:
    recipient = Webhook(name="hook", url=other_web.url, timeout=60)
    send_test(recipient)
    assert other_web.requests[0].json["alerts"][0]["message"] == "This is a test: alerts reach you."
    other_web.answers.append((403, {}))
    with pytest.raises(TaplineError, match="recipient hook was not reached: 403"):
        send_test(recipient)
    ids = Counter(request.headers["Idempotency-Key"] for request in other_web.requests)
    assert max(ids.values()) == 1
