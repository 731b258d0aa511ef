import pytest
import trustme

from bridge.config.platform import Platform, platform
from bridge.core.errors import ConfigError

PEM = trustme.CA().cert_pem.bytes().decode()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"PORT": "8080"}, {"port": 8080}),
        ({"PORT": "0"}, {"port": 0}),
        ({"PORT": ""}, {}),
        (
            {"K_SINK": "http://broker-ingress/default/default"},
            {"sink_url": "http://broker-ingress/default/default"},
        ),
        ({"K_SINK": ""}, {}),
        ({"K_CE_OVERRIDES": ""}, {}),
        ({"K_CE_OVERRIDES": "{}"}, {}),
        ({"K_CE_OVERRIDES": '{"extensions":null}'}, {}),
        ({"K_CE_OVERRIDES": '{"extensions":{}}'}, {}),
        ({"K_CE_OVERRIDES": '{"extensions":{"team":"a"}}'}, {"extensions": {"team": "a"}}),
        (
            {"K_CE_OVERRIDES": '{"extensions":{"team":"a"},"later":1}'},
            {"extensions": {"team": "a"}},
        ),
        ({"K_CA_CERTS": PEM}, {"ca_certs": PEM.strip()}),
        ({"K_CA_CERTS": ""}, {}),
        ({"NAMESPACE": "models"}, {"namespace": "models"}),
        ({"NAMESPACE": ""}, {}),
        ({"K_AUDIENCE": "a/b/c/d"}, {"audience": "a/b/c/d"}),
        ({"K_AUDIENCE": ""}, {}),
        ({"OTHER": "x"}, {}),
    ],
)
def test_what_knative_injects(environ, expected):
    """Each convention is read as a typed value; empty is as good as absent."""
    assert Platform(**expected) == platform(environ)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PORT": "http"}, "PORT: expected a port number, found 'http'"),
        ({"PORT": "65536"}, "PORT: expected a port number, found '65536'"),
        ({"PORT": "-1"}, "PORT: expected a port number, found '-1'"),
        ({"PORT": "²"}, "PORT: expected a port number, found '\\xb2'"),
        ({"K_SINK": "broker"}, "K_SINK: expected a URL, http:// or https://"),
        ({"K_SINK": "ftp://broker"}, "K_SINK: expected a URL, http:// or https://"),
        ({"K_SINK": "http://"}, "K_SINK: expected a URL, http:// or https://"),
        ({"K_SINK": "http://a:b:c"}, "K_SINK: expected a URL, http:// or https://"),
        ({"K_SINK": "http://[a"}, "K_SINK: expected a URL, http:// or https://"),
        (
            {"K_CE_OVERRIDES": "{"},
            'K_CE_OVERRIDES: expected JSON such as {"extensions": '
            '{"name": "value"}}, found no JSON',
        ),
        (
            {"K_CE_OVERRIDES": "[" * 100_000},
            'K_CE_OVERRIDES: expected JSON such as {"extensions": '
            '{"name": "value"}}, found no JSON',
        ),
        (
            {"K_CE_OVERRIDES": "[]"},
            'K_CE_OVERRIDES: expected JSON such as {"extensions": {"name": "value"}}',
        ),
        (
            {"K_CE_OVERRIDES": '{"extensions":[1]}'},
            'K_CE_OVERRIDES: expected JSON such as {"extensions": {"name": "value"}}',
        ),
        (
            {"K_CE_OVERRIDES": '{"extensions":{"a":1}}'},
            'K_CE_OVERRIDES: expected JSON such as {"extensions": {"name": "value"}}',
        ),
        (
            {"K_CE_OVERRIDES": '{"extensions":{"A":"1"}}'},
            "K_CE_OVERRIDES: attribute name 'A' is invalid: expected a-z and 0-9, not 'data'",
        ),
        (
            {"K_CE_OVERRIDES": '{"extensions":{"id":"1"}}'},
            "K_CE_OVERRIDES: 'id' is an attribute of the specification: expected an extension",
        ),
        (
            {"K_CE_OVERRIDES": '{"extensions":{"a":"\\n"}}'},
            "K_CE_OVERRIDES: attribute 'a' holds U+000A at character 0: ",
        ),
        ({"K_CA_CERTS": "hello"}, "K_CA_CERTS: expected PEM certificates that can be read"),
        (
            {"K_CA_CERTS": PEM.replace("M", "N")},
            "K_CA_CERTS: expected PEM certificates that can be read",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_start(environ, expected):
    """A variable that cannot be what it should be is named, with what was expected."""
    with pytest.raises(ConfigError) as caught:
        platform(environ)

    assert str(caught.value).startswith(f"environment variable {expected}")
    assert len(str(caught.value)) < 300


def test_all_variables_are_told_at_once():
    """One line for each."""
    with pytest.raises(ConfigError) as caught:
        platform({"PORT": "x", "K_SINK": "y", "K_CE_OVERRIDES": "z"})

    assert len(str(caught.value).splitlines()) == 3


def test_certificates_are_not_printed():
    """A page of PEM is no repr."""
    assert PEM[40:80] not in repr(platform({"K_CA_CERTS": PEM}))
