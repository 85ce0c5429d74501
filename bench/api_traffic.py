"""What clients say to an API server: their requests by its audit log, their bytes by a proxy."""

import collections
import json
import pathlib
import socket
import threading

AUDIT_POLICY = json.dumps({
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["ResponseStarted"],
    "rules": [{"level": "Metadata"}]})


class AuditLog:
    """Of a kube-apiserver that was started with `arguments()`."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "audit.log"
        self.policy = pathlib.Path(directory) / "audit-policy.json"
        self.policy.write_text(AUDIT_POLICY)

    def arguments(self):
        return [f"--audit-policy-file={self.policy}", f"--audit-log-path={self.path}"]

    def mark(self):
        """A place in the log to count from."""
        return self.path.stat().st_size

    def requests_of(self, user, since=0):
        """{"GET /api/v1/nodes": how often}, without queries."""
        counts = collections.Counter()
        with open(self.path, "rb") as log:
            log.seek(since)
            for line in log:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # The last one, half written.
                if entry["user"]["username"] == user and entry["stage"] == "RequestReceived":
                    counts[f'{entry["verb"]} {entry["requestURI"].split("?")[0]}'] += 1
        return counts


class CountingProxy:
    """Passes connections of loopback on, and counts their bytes. Threads; ends with the process."""

    def __init__(self, port):
        self.target, self.bytes, self.connections = port, 0, 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.connections += 1
            for end in (client, server):  # It counts, and holds nothing back.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                with self.lock:
                    self.bytes += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def take(self):
        """Bytes and connections since the last call."""
        with self.lock:
            taken = self.bytes, self.connections
            self.bytes = self.connections = 0
        return taken
