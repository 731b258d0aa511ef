"""`bridge send`: what is refused before anything is sent."""

import pytest

ONE = '{"specversion": "0.3", "id": "1", "source": "s", "type": "t", "schemaurl": "near"}'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ftp://x"], "url 'ftp://x': expected http:// or https://, a host, and no fragment\n"),
        (["http://x", "--type", ""], "attribute 'type' is empty: expected a non-empty string\n"),
        (["http://x", "--extension", "a"], "--extension a: expected name=value\n"),
        (["http://x", "--content-type", "json"], "attribute 'datacontenttype' is 'json': exp"),
        (["http://x", "--data", "@nope"], "nope: cannot be read: No such file or directory\n"),
        (["http://x", "--file", "nope"], "nope: cannot be read: No such file or directory\n"),
        (["http://x", "--file", "nope", "--type", "t"], "--file: its events have their own "),
        (["http://x", "--resolve", "a"], "No such option"),
        (["http://x", "--mode", "avro"], "'avro' is not one of"),
        (["http://x", "--specversion", "2.0"], "'2.0' is not one of"),
        ([], "Missing argument"),
    ],
)
def test_a_command_line_that_makes_no_event_is_refused(bridge, arguments, said):
    """Status 2, what is wrong on standard error, nothing on standard output."""
    ended = bridge("send", *arguments)

    assert (2, "") == (ended.status, ended.out)
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_an_event_that_the_other_version_cannot_hold_is_refused(bridge, tmp_path):
    """Rather than sent without what it says."""
    file = tmp_path / "events.json"
    file.write_text(ONE)

    ended = bridge("send", "http://127.0.0.1:1", "--file", file, "--specversion", "1.0")

    assert (2, "") == (ended.status, ended.out)
    assert f"{file}: --specversion 1.0: attribute 'dataschema' is 'near': expected " in ended.err


def test_a_far_end_that_is_not_there_is_a_failure(bridge, tmp_path):
    """Status 1: the command line was right. How far it came is said."""
    file = tmp_path / "events.json"
    file.write_text(f"{ONE}\n{ONE}\n")

    ended = bridge("send", "http://127.0.0.1:1/in", "--file", file)

    assert (1, "") == (ended.status, ended.out)
    assert "http://127.0.0.1:1/in: no connection: Connection refused (sent 0 of 2)\n" == ended.err
