"""The kubelet's double (tests/doubles/kubelet) as a process: when which device list came."""

import re
import subprocess
import threading
import time

from process import Failed


class KubeletDouble:
    def __init__(self, program, directory, log):
        self.lists = []  # (monotonic seconds, healthy devices)
        self.registrations = 0
        self.changed = threading.Condition()
        self.popen = subprocess.Popen([program, "run", "--dir", directory], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=open(log, "wb"))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            found = re.match(r"list \S+ number=\d+ devices=\d+ healthy=(\d+)", line)
            with self.changed:
                if found:
                    self.lists.append((time.monotonic(), int(found[1])))
                elif line.startswith("registered "):
                    self.registrations += 1
                self.changed.notify_all()

    def wait_for(self, devices, since=0.0, timeout=60):
        """The seconds from `since` to the first list of so many devices after it."""
        def first():
            return next((at for at, count in self.lists if at >= since and count == devices), None)
        with self.changed:
            if not self.changed.wait_for(first, timeout):
                raise Failed(f"no list of {devices} devices in {timeout} s: {self.lists[-3:]}")
            return first() - since

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait(timeout=30)
