"""What selection_run.py proves: claims on the real kube-apiserver, one function each."""

import base64
import json
import subprocess
import time
import urllib.request

from process import Failed
from story import expect

CHECKS = []

# As the chart grants them (deploy/helm/gpunode/templates/rbac.yaml), in two halves.
READ_RULES = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}]
WRITE_RULES = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def check(name):
    def register(function):
        CHECKS.append((name, function))
        return function
    return register


def make_account(here, name):
    here.api.create(ACCOUNTS, {"metadata": {"name": name}})


def token_of(here, name):
    return here.api.create(f"{ACCOUNTS}/{name}/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600}})["status"]["token"]


def grant(here, account, name, rules):
    here.api.create(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    here.api.create(f"{RBAC}/clusterrolebindings", {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "default"}]})


def unpacked(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expired(here, token):
    """The token as the server would have issued it a day ago: signed with the server's own key."""
    header, claims, _ = token.split(".")
    old = unpacked(claims)
    for moment in ("exp", "iat", "nbf"):
        old[moment] -= 86400
    text = f"{header}.{packed(json.dumps(old).encode())}"
    signed = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(here.server.account_key)],
        input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{packed(signed)}"


def etcd(here, path, **document):
    """etcd's own API, in its JSON form."""
    request = urllib.request.Request(f"http://127.0.0.1:{here.server.etcd_port}/v3/kv/{path}",
                                     json.dumps(document).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@check("the label set, changed and taken away: the devices, an annotation, an Event and a metric")
def label(here):
    with here.station("label", "four") as station:
        station.kubelet.wait_for(4)
        station.stands(config="four", chosenBy="label", outcome="applied")
        station.told("Normal", "ConfigApplied", 'config "four" (by the node\'s label) is in force')
        before = time.monotonic()
        station.label("twenty")
        station.kubelet.wait_for(20, before)
        station.stands(config="twenty", chosenBy="label", outcome="applied")
        expect(station.metric("gpunode_config_info", config="twenty", chosen_by="label") == 1,
               "no metric says so")
        before = time.monotonic()
        station.label("")
        station.kubelet.wait_for(1, before)
        station.stands(config="whole", chosenBy="default", outcome="applied")
        expect(station.kubelet.registrations == 1,
               f"{station.kubelet.registrations} registrations for one resource")


@check("a name that no key has, and one like a path: refused in words, what is in force stays")
def unknown(here):
    with here.station("unknown", "four") as station:
        station.kubelet.wait_for(4)
        for value in ("nowhere", "a..b"):
            station.label(value)
            station.stands(config="four", outcome="refused",
                           message=f'specified config "{value}" does not exist (the node\'s label: '
                                   'there are "four", "twenty", "whole")')
        station.told("Warning", "ConfigRefused", "stays in force")
        for value in ("../choice", "a/b", "..data"):
            try:
                station.label(value)
            except Failed as error:
                expect("a valid label must be" in str(error), f"{value}: {error}")
            else:
                raise Failed(f"the API server takes the label {value!r}")
        expect(station.metric("gpunode_listed_devices") == 4, "the devices are others")
        station.label("four")
        station.stands(config="four", outcome="applied")


@check("an account without rights: the missing rules in words; granted, it goes on by itself")
def rights(here):
    make_account(here, "few")
    with here.station("rights", "four", {"token": token_of(here, "few")}) as station:
        station.says('system:serviceaccount:default:few" cannot list resource "nodes"')
        station.says('{apiGroups: [""], resources: [nodes], verbs: [list, watch]}')
        expect(not station.kubelet.lists, f"it offers {station.kubelet.lists}")
        expect("nothing is offered" in station.page("/readyz"), station.page("/readyz"))
        grant(here, "few", "few-read", READ_RULES)
        station.kubelet.wait_for(4)
        station.says(f"resourceNames: [{station.name}], verbs: [get, patch]}}")
        grant(here, "few", "few-write", WRITE_RULES)
        # After a refusal it asks again once in a minute, then less.
        station.stands(timeout=150, config="four", outcome="applied")
        station.told("Normal", "ConfigApplied", "is in force")


@check("never an answer: after the time for it the node is as one without the label; answered, as the"
       " label says")
def no_answer(here):
    make_account(here, "never")
    with here.station("never", "four", {"token": token_of(here, "never")},
                      GPUNODE_CONFIG_LABEL_TIMEOUT="3s") as station:
        station.kubelet.wait_for(1)
        station.says("going on as for a node without it until it is")
        expect(station.metric("gpunode_config_label_known") == 0, "the label counts as known")
        before = time.monotonic()
        grant(here, "never", "never", READ_RULES + WRITE_RULES)
        station.kubelet.wait_for(4, before)
        station.stands(config="four", chosenBy="label", outcome="applied")
        expect(station.kubelet.registrations == 1, "it was registered anew")


@check("an expired token: told; the file has a new one, and one more after that: taken up")
def token(here):
    make_account(here, "renewed")
    grant(here, "renewed", "renewed", READ_RULES + WRITE_RULES)
    good = token_of(here, "renewed")
    file = here.state / "renewed.token"
    file.write_text(expired(here, good))
    with here.station("token", "four", {"tokenFile": str(file)}) as station:
        station.says("the API server says 401 Unauthorized")
        expect(not station.kubelet.lists, f"it offers {station.kubelet.lists}")
        file.write_text(good)
        station.kubelet.wait_for(4)
        station.stands(config="four", outcome="applied")
        file.write_text(token_of(here, "renewed"))
        here.server.restart()
        here.server.wait_ready()
        before = time.monotonic()
        station.label("twenty")
        station.kubelet.wait_for(20, before)
        station.stands(config="twenty", outcome="applied")


@check("API server and etcd away and back: nothing changes, an agent that starts meanwhile is as it"
       " was, then both catch up")
def away(here):
    with here.station("away", "four") as station, here.station("away-anew", "four") as anew:
        for one in (station, anew):
            one.kubelet.wait_for(4)
            one.stands(config="four", outcome="applied")
        lists = len(station.kubelet.lists)
        here.server.server.expected = here.server.etcd.expected = False
        here.server.server.kill()
        here.server.etcd.kill()
        station.says("the configuration in force stays")
        since = len(anew.log())
        anew.agent.kill()
        began = time.monotonic()
        anew.agent.start()
        anew.says("going by the label's value of a run before", since=since)
        anew.kubelet.wait_for(4, began)
        expect(len(station.kubelet.lists) == lists, "the devices were listed anew")
        here.server.etcd.start()
        here.server.server.start()
        here.server.wait_ready()
        before = time.monotonic()
        for one in (station, anew):
            one.label("twenty")
            one.kubelet.wait_for(20, before, timeout=120)
            one.stands(timeout=120, config="twenty", outcome="applied")
        expect(station.kubelet.registrations == 1, "it was registered anew")


def forget(here, station, *arguments):
    """The agent stands still while its watch is cut and the history behind it is forgotten.

    What changes before that is another's: what its own Node becomes would still be in its socket.
    """
    station.stop_in_its_tracks()
    try:
        here.api.create("/api/v1/nodes", {"metadata": {"name": "another"}})
        for number in range(5):
            here.kubectl("annotate", "--overwrite", "node", "another", f"count={number}")
        here.api.delete("/api/v1/nodes/another")
        newest = etcd(here, "range", key=base64.b64encode(b"/registry").decode(),
                      count_only=True)["header"]["revision"]
        etcd(here, "compaction", revision=newest, physical=True)
        plain = list(here.server.server.argv)
        here.server.server.argv = [*plain, *arguments]
        here.server.restart()
        here.server.server.argv = plain
        here.server.wait_ready()
        station.label("twenty")
    finally:
        station.go_on()


@check("410 Gone, of the server's cache and of a compacted etcd: it lists anew and is right")
def gone(here):
    said = []
    for name, arguments in (("gone-cache", []), ("gone-etcd", ["--watch-cache=false"])):
        with here.station(name, "four") as station:
            station.kubelet.wait_for(4)
            station.stands(config="four", outcome="applied")
            since = len(station.log())
            before = time.monotonic()
            forget(here, station, *arguments)
            station.says("the API server says 410", since=since)
            station.kubelet.wait_for(20, before)
            station.stands(config="twenty", outcome="applied")
            said += [line.split("the API server says ", 1)[1].split(";")[0]
                     for line in station.log()[since:].splitlines() if "says 410" in line]
    here.server.restart()
    here.server.wait_ready()
    return "; ".join(said)
