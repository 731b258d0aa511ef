"""A bucket's notifications: every rule read, one changed, and all else written as it came."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bridge.transports.objects.documents import BadDocument
from bridge.transports.objects.notifications import Configuration, Rule

#: What AWS answers: three kinds of rules, filters with a capital, and an element without one.
AWS = b"""<?xml version="1.0" encoding="UTF-8"?>
<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <TopicConfiguration>
    <Id>to topic</Id><Topic>arn:aws:sns:eu-west-1:1:news</Topic>
    <Event>s3:ReducedRedundancyLostObject</Event>
  </TopicConfiguration>
  <QueueConfiguration>
    <Id>to queue</Id><Queue>arn:aws:sqs:eu-west-1:1:q</Queue>
    <Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectCreated:Post</Event>
    <Filter><S3Key>
      <FilterRule><Name>Prefix</Name><Value>a&amp;b/</Value></FilterRule>
      <FilterRule><Name>Suffix</Name><Value>.png</Value></FilterRule>
    </S3Key></Filter>
  </QueueConfiguration>
  <CloudFunctionConfiguration>
    <CloudFunction>arn:aws:lambda:eu-west-1:1:function:f</CloudFunction>
    <Event>s3:ObjectRemoved:*</Event>
  </CloudFunctionConfiguration>
  <EventBridgeConfiguration/>
</NotificationConfiguration>"""

TOPIC = Rule(
    target="arn:aws:sns:eu-west-1:1:news", events=("s3:ReducedRedundancyLostObject",), id="to topic"
)
QUEUE = Rule(
    target="arn:aws:sqs:eu-west-1:1:q",
    events=("s3:ObjectCreated:Put", "s3:ObjectCreated:Post"),
    prefix="a&b/",
    suffix=".png",
    id="to queue",
)
FUNCTION = Rule(target="arn:aws:lambda:eu-west-1:1:function:f", events=("s3:ObjectRemoved:*",))

OURS = Rule(
    target="arn:minio:sqs::PRIMARY:kafka",
    events=("s3:ObjectCreated:*",),
    prefix="<é>",
    id="bridge-1",
)


def shape(body: bytes) -> list[object]:
    """Return names, texts and order of all elements in *body*: what another reader sees."""
    return [
        (element.tag, (element.text or "").strip())
        for element in ElementTree.fromstring(body).iter()
    ]


def test_every_rule_is_read() -> None:
    """Of each kind, with its filters, however the store spells their names."""
    assert (TOPIC, QUEUE, FUNCTION) == Configuration.parse(AWS).rules


def test_what_is_written_unchanged_is_what_came() -> None:
    """Elements that nobody here knows among it: what is left out is switched off."""
    assert shape(AWS) == shape(Configuration.parse(AWS).encode())


def test_a_rule_is_added_beside_all_others() -> None:
    """At the end, filters and all, and read back as it was."""
    before = Configuration.parse(AWS)

    after = Configuration.parse(before.changed(plus=[OURS]).encode())

    assert (TOPIC, QUEUE, FUNCTION, OURS) == after.rules
    assert (TOPIC, QUEUE, FUNCTION) == before.rules
    assert b"EventBridgeConfiguration" in after.encode()


def test_a_rule_is_taken_away_alone() -> None:
    """The others stay, in their order."""
    after = Configuration.parse(AWS).changed(without=[QUEUE])

    assert (TOPIC, FUNCTION) == Configuration.parse(after.encode()).rules
    assert b"EventBridgeConfiguration" in after.encode()


def test_a_bucket_without_notifications_has_no_rules() -> None:
    """What a store answers for one, and what stands for a bucket that is not there yet."""
    none = Configuration.parse(b"<NotificationConfiguration/>")

    assert () == none.rules
    assert none.encode() == Configuration.empty().encode()
    assert (OURS,) == none.changed(plus=[OURS]).rules


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no XML",
        b"<Other/>",
        b"<NotificationConfiguration>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><NotificationConfiguration/>',
    ],
)
def test_what_is_no_configuration_is_told(body: bytes) -> None:
    """A page of a proxy is not taken for a bucket that notifies nobody, and then written over."""
    with pytest.raises(BadDocument):
        Configuration.parse(body)


def rule(**changes: object) -> Rule:
    given = {"target": "arn:minio:sqs::P:kafka", "events": ("s3:ObjectCreated:Put",), **changes}
    return Rule(**given)  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"id": "other"}, True),
        ({}, {"target": "arn:minio:sqs:eu-1:P:kafka"}, True),
        ({}, {"target": "arn:minio:sqs::Q:kafka"}, False),
        ({}, {"target": "arn:minio:sqs::P:webhook"}, False),
        ({"target": "arn:aws:sqs:a:1:q"}, {"target": "arn:aws:sqs:b:1:q"}, False),
        ({}, {"prefix": "a"}, False),
        ({}, {"suffix": "a"}, False),
        ({"events": ("a", "b")}, {"events": ("b", "a")}, True),
        ({"events": ("a", "b")}, {"events": ("a",)}, False),
    ],
)
def test_two_rules_tell_the_same(one: dict[str, str], other: dict[str, str], same: bool) -> None:
    """Whatever they are called; MinIO adds its region to a target that was written without."""
    assert same is rule(**one).tells_the_same(rule(**other))


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({}, {}, True),
        ({}, {"target": "arn:minio:sqs::Q:kafka"}, True),
        ({}, {"events": ("s3:ObjectCreated:*",)}, True),
        ({"events": ("s3:ObjectCreated:*",)}, {}, True),
        ({}, {"events": ("s3:ObjectRemoved:*",)}, False),
        ({}, {"events": ("s3:ObjectCreated:Post",)}, False),
        ({"prefix": "a/"}, {"prefix": "a/b/"}, True),
        ({"prefix": "a/"}, {"prefix": "b/"}, False),
        ({"suffix": ".png"}, {"suffix": ".jpg"}, False),
        ({"suffix": "g"}, {"suffix": ".png"}, True),
        ({"prefix": "a/"}, {"suffix": ".png"}, True),
        ({"prefix": "a/", "suffix": ".png"}, {"prefix": "a/", "suffix": ".jpg"}, False),
    ],
)
def test_two_rules_overlap(one: dict[str, str], other: dict[str, str], overlap: bool) -> None:
    """Where one event of one key would be for both."""
    assert overlap is rule(**one).overlaps(rule(**other))
    assert overlap is rule(**other).overlaps(rule(**one))
