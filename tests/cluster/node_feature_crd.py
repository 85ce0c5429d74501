"""The CRD of Node Feature Discovery's NodeFeature, nfd.k8s-sigs.io/v1alpha1, for an API server on
which nothing of that runs: the fields of its Go type, as strictly as a structural schema can."""

from process import wait_until

PATH = "/apis/nfd.k8s-sigs.io/v1alpha1/nodefeatures"


def an_object(required=(), **properties):
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": list(required)} if required else {})


def a_map(of):
    return {"type": "object", "additionalProperties": of}


TEXT = {"type": "string"}
ELEMENTS = {  # Of a feature of each kind.
    "flags": a_map(an_object()),
    "attributes": a_map(TEXT),
    "instances": {"type": "array",
                  "items": an_object(("attributes",), attributes=a_map(TEXT))},
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "nodefeatures.nfd.k8s-sigs.io"},
    "spec": {
        "group": "nfd.k8s-sigs.io", "scope": "Namespaced",
        "names": {"kind": "NodeFeature", "listKind": "NodeFeatureList",
                  "plural": "nodefeatures", "singular": "nodefeature"},
        "versions": [{
            "name": "v1alpha1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": an_object(
                ("spec",), apiVersion=TEXT, kind=TEXT, metadata={"type": "object"},
                spec=an_object(
                    features=an_object(tuple(ELEMENTS), **{
                        kind: a_map(an_object(("elements",), elements=elements))
                        for kind, elements in ELEMENTS.items()}),
                    labels=a_map(TEXT)))}}]}}


def install(api, processes=None):
    """On the API server behind `api` (KubeApi); returns once it serves the type."""
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
    wait_until(lambda: api.request("GET", PATH)[0] == 200, "the API server serves NodeFeatures", 60,
               processes)
