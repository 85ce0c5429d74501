#!/usr/bin/env python3
"""What Prometheus and Grafana are given: rules by the real promtool, and every metric is one that the agent has.

Exit code 77: promtool cannot be had here, and the rest is well.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"


def metrics_of(text):
    """Names of ours in expressions; a recorded one has a colon."""
    return set(re.findall(r"(?<![\w:])gpunode_[a-z_]+(?![\w:])", text))


def metrics_of_agent():
    found = set()
    for path in (ROOT / "src").rglob("*.cc"):
        if not path.name.endswith("_test.cc"):
            found |= set(re.findall(r'"(gpunode_[a-z_]+)"', path.read_text()))
    return found


class Monitoring(unittest.TestCase):
    def expressions_of_rules(self):
        lines = (MONITORING / "rules.yaml").read_text().splitlines()
        return "\n".join(line for line in lines if not re.match(r"\s*(#|summary|description|- alert|- name)", line))

    def panels(self):
        return json.loads((MONITORING / "dashboard.json").read_text())["panels"]

    def expressions_of_panels(self):
        return [t["expr"] for panel in self.panels() for t in panel.get("targets", [])]

    def test_every_metric_is_one_of_the_agents(self):
        known = metrics_of_agent()
        self.assertIn("gpunode_share_limit_bytes", known)
        for text in [self.expressions_of_rules()] + self.expressions_of_panels():
            self.assertTrue(metrics_of(text) or "gpunode:" in text or "up{" in text, text)
            self.assertEqual(metrics_of(text) - known, set(), text)

    def test_every_recorded_series_is_recorded(self):
        rules = (MONITORING / "rules.yaml").read_text()
        recorded = set(re.findall(r"record: (\S+)", rules))
        for text in [rules] + self.expressions_of_panels():
            self.assertEqual(set(re.findall(r"gpunode:[a-z_]+:[a-z]+", text)) - recorded, set(), text)

    def test_panels_have_a_place_and_a_question(self):
        ids = [panel["id"] for panel in self.panels()]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in self.panels():
            self.assertTrue(panel["targets"] and panel["title"] and panel["gridPos"], panel)

    def test_rules_do_what_their_tests_say(self):
        if shutil.which("promtool") is None:
            self.skipTest("no promtool: tools/setup chart")
        for verb, name in (("check", "rules.yaml"), ("test", "rules_test.yaml")):
            done = subprocess.run(["promtool", verb, "rules", name], cwd=MONITORING, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_is_tested(self):
        alerts = re.findall(r"alert: (\S+)", (MONITORING / "rules.yaml").read_text())
        tested = (MONITORING / "rules_test.yaml").read_text()
        self.assertGreater(len(alerts), 5)
        for alert in alerts:
            self.assertIn("alertname: " + alert, tested)


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    if not outcome.wasSuccessful():
        sys.exit(1)
    if outcome.skipped:
        print("skipped: no promtool: tools/setup chart")
        sys.exit(77)
