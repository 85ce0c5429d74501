#!/usr/bin/env python3
"""The rules in a running Prometheus, which scrapes a page that the agent's own code wrote: alerts fire.

    python3 tests/monitoring/test_live.py build/dev/tests/monitoring/metrics_page

Time is what is changed: what has to last for minutes has to last for a second, and is looked at every second.
Alerts that ask for hours are promtool's alone (rules_test.yaml). Exit code 77: there is no prometheus here.
"""

import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 120
FIRE = {
    ("GpunodeShareStarved", "starved"), ("GpunodeSharePersistentKernel", "hog"), ("GpunodeShareNearLimit", "full"),
    ("GpunodeShareRefusals", "full"), ("GpunodeShareAccountDamaged", "full"), ("GpunodeShareBypassed", ""),
    ("GpunodeDeviceUnhealthy", ""), ("GpunodeAgentAbsent", "")}
PAGE = None  # The program that writes it, by the command line.


def quickened(rules):
    """Minutes become a second; a rate is over some scrapes."""
    rules = re.sub(r"for: \d+[mh]", "for: 1s", rules)
    return re.sub(r"\[\d+m\]", "[5s]", rules)


class Page(http.server.BaseHTTPRequestHandler):
    began = time.monotonic()

    def do_GET(self):
        if self.path != "/metrics":
            self.send_error(404)
            return
        seconds = time.monotonic() - self.began
        page = subprocess.run([PAGE, f"{seconds:.3f}"], capture_output=True, check=True).stdout
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *words):
        pass


class Prometheus:
    """One of its own on a port of its own; its words go to a file."""

    def __init__(self, directory, agent):
        rules = (ROOT / "deploy/monitoring/rules.yaml").read_text()
        (directory / "rules.yaml").write_text(quickened(rules))
        # A port of which nobody answers, and which nobody else can take.
        self.absent = socket.socket()
        self.absent.bind(("127.0.0.1", 0))
        absent = f"127.0.0.1:{self.absent.getsockname()[1]}"
        (directory / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": name, "honor_labels": True, "static_configs": [{"targets": [target]}]}
                for name, target in (("gpunode", agent), ("gpunode-absent", absent))]}))
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                 "--web.listen-address=127.0.0.1:0"], stdout=log, stderr=log)
        self.address = None

    def end(self):
        self.process.terminate()
        self.process.wait(30)
        self.absent.close()

    def ask(self, path):
        if self.address is None:
            told = re.search(r'"?Listening on"? address=(127\.0\.0\.1:[1-9]\d*)', self.log.read_text())
            if told is None:
                raise OSError("it does not listen yet")
            self.address = told.group(1)
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]


class Live(unittest.TestCase):
    def setUp(self):
        if shutil.which("prometheus") is None:
            self.skipTest("no prometheus: tools/setup chart")
        directory = tempfile.TemporaryDirectory(prefix="prometheus-")
        self.addCleanup(directory.cleanup)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.prometheus = Prometheus(pathlib.Path(directory.name), f"127.0.0.1:{server.server_address[1]}")
        self.addCleanup(self.prometheus.end)

    def eventually(self, look):
        """Asks until `look` says that it is so."""
        until, last = time.monotonic() + PATIENCE_S, None
        pause = threading.Event()
        while time.monotonic() < until:
            self.assertIsNone(self.prometheus.process.poll(), self.prometheus.log.read_text())
            try:
                last = look()
            except OSError as error:
                last = error
            if last is True:
                return
            pause.wait(0.2)
        self.fail(f"not in {PATIENCE_S} s: {last}\n{self.prometheus.log.read_text()[-3000:]}")

    def firing(self):
        alerts = self.prometheus.ask("alerts")["alerts"]
        return {(one["labels"]["alertname"], one["labels"].get("pod", "")) for one in alerts if one["state"] == "firing"}

    def test_what_happens_on_the_page_is_alerted_and_nothing_else(self):
        def all_fire():
            fire = self.firing()
            return fire == FIRE or sorted(fire ^ FIRE)

        self.eventually(all_fire)
        groups = self.prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertGreater(len(rules), 10)
        self.assertEqual([rule for rule in rules if rule["health"] != "ok"], [])
        # What panels draw has something to draw here.
        for name in ("gpunode:share_gpu:rate", "gpunode:share_throttled:rate", "gpunode_share_compute_part"):
            found = self.prometheus.ask("query?query=" + name.replace(":", "%3A"))["result"]
            pods = {one["metric"]["pod"] for one in found}
            self.assertEqual(pods, {"starved", "hog", "served", "full"}, name)


if __name__ == "__main__":
    PAGE = sys.argv.pop(1)
    outcome = unittest.main(exit=False).result
    if not outcome.wasSuccessful():
        sys.exit(1)
    if outcome.skipped:
        print("skipped: no prometheus: tools/setup chart")
        sys.exit(77)
