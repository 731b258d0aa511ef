"""deploy/grafana is about the metrics there are: no rule and no panel waits for another one.

What is on docs/metrics.md is what a running bridge exposes: test_docs_metrics.py holds that.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.core.errors import Unavailable
from bridge.observe.ledger import Deliveries, Events
from bridge.observe.metrics import DELIVERY_REASONS, EVENT_REASONS
from tests.services.cache import Missing
from tests.services.fixtures import unavailable
from tests.services.metrics import HISTOGRAM_ENDS, PAGE, Told, documented
from tests.services.promtool import promtool, run

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "grafana"
OPERATIONS = ROOT / "docs" / "operations.md"

ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]

#: Labels that Prometheus adds when it scrapes.
SCRAPED = {"job", "instance", "namespace"}

METRICS = documented(PAGE.read_text())

#: The values that a label can have, where the bridge alone says so.
VALUES = {
    "outcome": {*Events().outcomes(), *Deliveries().outcomes()},
    "reason": {*DELIVERY_REASONS, *(reason for _, reason in EVENT_REASONS)},
}


def told(name: str) -> Told | None:
    """Return what the page says of the sample *name*."""
    for end in HISTOGRAM_ENDS:
        base = METRICS.get(name.removesuffix(end))
        if name.endswith(end) and base is not None and base.type == "histogram":
            more = {"le"} if end == "_bucket" else set()
            return Told("histogram", base.labels | more)
    found = METRICS.get(name)
    return None if found is None or found.type == "histogram" else found


def wrong(expression: str) -> list[str]:
    """Return what *expression* asks for that nobody exposes."""
    problems = []
    known = set(SCRAPED)
    for name, matchers in re.findall(r"\b([a-z_]+_[a-z_]+)(?:\{([^}]*)\})?", bare(expression)):
        metric = told(name)
        if metric is None:
            problems.append(f"no metric {name}")
            continue
        known |= metric.labels
        for label, value in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"", matchers):
            if label not in metric.labels | SCRAPED:
                problems.append(f"{name} has no label {label}")
            elif not value.startswith("$"):
                strange = set(value.split("|")) - VALUES.get(label, set(value.split("|")))
                problems += [f"{name} has no {label} {one}" for one in sorted(strange)]
    for labels in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression):
        named = {label.strip() for label in labels.split(",")}
        problems += [f"no label {label}" for label in sorted(named - known)]
    return problems


def bare(expression: str) -> str:
    """Return *expression* without functions, ranges and lists of labels: metrics are left."""
    without_ranges = re.sub(r"\[[^\]]*\]", "", expression)
    without_labels = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", "", without_ranges)
    return re.sub(r"\b[a-z_]+\s*\(", "(", without_labels)


def queries() -> list[tuple[str, str]]:
    """Return every expression of the dashboard, with what its legend shows."""
    return [
        (target["expr"], target["legendFormat"])
        for panel in PANELS
        for target in panel.get("targets", [])
    ]


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of *page*, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(bridge_event_total[5m])", "no metric bridge_event_total"),
        ('sum(bridge_in_flight{pipeline=\'x\', source="a", pod="b"})', "no label pod"),
        ('bridge_events_total{outcome="lost"}', "has no outcome lost"),
        ('bridge_refusals_total{reason=~"decode|deadlin"}', "has no reason deadlin"),
        ("sum by (component) (bridge_in_flight)", "no label component"),
        ("rate(bridge_step_seconds[5m])", "no metric bridge_step_seconds"),
        ("sum by (le) (bridge_step_seconds_sum)", "no label le"),
    ],
)
def test_what_nobody_exposes_is_found(expression: str, problem: str) -> None:
    """These checks can fail: a misspelt metric, label or value is told."""
    assert any(problem in found for found in wrong(expression))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_about_metrics_there_are(alert: dict[str, Any]) -> None:
    """Its metrics, their labels, and the outcomes and reasons it names exist."""
    assert [] == wrong(alert["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """Somebody who is woken reads what it is, how bad, and where its runbook stands."""
    page, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert {"summary", "description", "runbook"} == set(alert["annotations"])
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert page == "docs/operations.md"
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(OPERATIONS.read_text())


def test_what_comes_again_is_no_bad_event() -> None:
    """An alert that says "refused for good" leaves out every reason of an outage."""
    [bad] = [alert["expr"] for alert in ALERTS if alert["alert"] == "BridgeBadEvents"]
    left_out = set(re.findall(r'reason!~"([^"]*)"', bad)[0].split("|"))
    outages, waiting = set(), [Unavailable]
    while waiting:
        kind = waiting.pop()
        outages.add(kind.reason)
        waiting += kind.__subclasses__()

    assert outages & set(DELIVERY_REASONS) == left_out - {"error"}


def test_every_alert_is_tested_firing_and_silent() -> None:
    """The rules' own tests have a situation of each kind for each alert."""
    cases = [
        case
        for test in yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]

    alerts = sorted(alert["alert"] for alert in ALERTS)
    assert alerts == sorted({case["alertname"] for case in cases if case["exp_alerts"]})
    assert alerts == sorted({case["alertname"] for case in cases if not case["exp_alerts"]})


@pytest.mark.parametrize(("expression", "legend"), queries())
def test_a_panel_shows_metrics_there_are(expression: str, legend: str) -> None:
    """Its metrics and labels exist, and its legend names labels that are left of them."""
    shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
    kept = {
        label.strip()
        for labels in re.findall(r"\bby\s*\(([^)]*)\)", expression)
        for label in labels.split(",")
    }

    assert [] == wrong(expression)
    assert shown <= kept


def test_the_variables_of_the_dashboard_exist() -> None:
    """Each is a label of the metric it is read from, and each that is used is declared."""
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(PANELS)))

    assert used == set(variables)
    assert "datasource" == variables.pop("datasource")["type"]
    for name, variable in variables.items():
        ((metric, label),) = re.findall(r"label_values\((\w+), (\w+)\)", variable["definition"])
        found = told(metric)
        assert found is not None
        assert name == label
        assert label in found.labels | SCRAPED


def test_panels_stand_beside_each_other() -> None:
    """Each has an id of its own, and its place on the grid is nobody else's."""
    ids = [panel["id"] for panel in PANELS]
    places = [panel["gridPos"] for panel in PANELS]

    assert len(ids) == len(set(ids))
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


def test_every_panel_asks_the_chosen_data_source() -> None:
    """The dashboard can be imported anywhere: no data source is written into it."""
    chosen = {"type": "prometheus", "uid": "${datasource}"}

    for panel in PANELS:
        if panel["type"] != "row":
            assert chosen == panel["datasource"]
            assert [chosen] * len(panel["targets"]) == [
                target["datasource"] for target in panel["targets"]
            ]
            assert panel["description"]


@pytest.fixture(scope="module")
def program() -> Path:
    """Prometheus' own tool."""
    try:
        return promtool()
    except Missing as missing:
        unavailable(f"promtool: {missing}")


@pytest.mark.parametrize("arguments", [("check", "alerts.yaml"), ("test", "alerts_test.yaml")])
def test_prometheus_takes_the_rules(program: Path, arguments: tuple[str, str]) -> None:
    """They can be loaded, and each fires and is silent where its tests say so."""
    command, file = arguments

    done = run(program, command, "rules", file, folder=FOLDER)

    assert done.returncode == 0, done.stdout


def test_prometheus_reads_the_dashboards_expressions(program: Path, tmp_path: Path) -> None:
    """Each is sound PromQL, once Grafana has put its variables in."""
    rules = [
        {
            "record": f"panel:{number}",
            "expr": re.sub(r"\$[a-z]+", ".*", expression.replace("$__rate_interval", "5m")),
        }
        for number, (expression, _) in enumerate(queries())
    ]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = run(program, "check", "rules", file.name, folder=tmp_path)

    assert done.returncode == 0, done.stdout
    assert f"{len(rules)} rules found" in done.stdout
