"""The API server as the test reads it: JSON over HTTPS with a bearer token."""

import http.client
import json
import ssl
import time
import urllib.parse

from process import Failed


ATTEMPTS = 3  # The server also closes connections that are idle for long.
OVERLOADED = (429, 504)  # "Try again", and a request that it could not end in its 34 s.


class KubeApi:
    """One kept-alive connection. Not for several threads."""

    def __init__(self, host, port, ca_file, token):
        self.address = (host, port)
        self.context = ssl.create_default_context(cafile=ca_file)
        self.token = token
        self.connection = None

    def request(self, method, path, body=None, content_type="application/json"):
        """Returns (status, document). Patient: a busy machine's server may be slow to answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = content_type
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPSConnection(
                        *self.address, timeout=60, context=self.context)
                self.connection.request(method, path, data, headers)
                response = self.connection.getresponse()
                text = response.read()
                if response.status in OVERLOADED and attempt < ATTEMPTS:
                    time.sleep(1)
                    continue
                try:
                    return response.status, json.loads(text)
                except ValueError:
                    return response.status, {"message": text.decode(errors="replace")}
            except (OSError, http.client.HTTPException) as error:
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
                if attempt == ATTEMPTS:
                    raise Failed(f"API server: {method} {path}: {error}") from error
        raise AssertionError("unreachable")

    def get(self, path, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, document = self.request("GET", path)
        if status != 200:
            raise Failed(f"GET {path}: {status} {document.get('message', '')}")
        return document

    def delete(self, path, options=None):
        status, document = self.request("DELETE", path, options)
        if status not in (200, 202, 404):
            raise Failed(f"DELETE {path}: {status} {document.get('message', '')}")

    def create(self, path, document):
        status, answer = self.request("POST", path, document)
        if status not in (200, 201):
            raise Failed(f"POST {path}: {status} {answer.get('message', '')}")
        return answer

    def ready(self):
        try:
            status, _ = self.request("GET", "/readyz")
        except Failed:
            return False
        return status == 200

    # What the story asks for, in Kubernetes' words.

    def node(self, name):
        return self.get(f"/api/v1/nodes/{name}")

    def pods(self, **query):
        """name -> Pod, of namespace default."""
        listed = self.get("/api/v1/namespaces/default/pods", **query)
        return {pod["metadata"]["name"]: pod for pod in listed["items"]}

    def events_of(self, pod_name):
        listed = self.get("/api/v1/namespaces/default/events",
                          fieldSelector=f"involvedObject.name={pod_name}")
        return listed["items"]
