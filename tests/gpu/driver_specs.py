"""The differences of two CDI specs of one host, and why each is there."""

import re

# What NVIDIA's generator writes and ours does not, and the other way round, each with its reason.
THEIRS = (
    (r"^every device: hook nvidia-cdi-hook ", "the one hook of ours does the work of all of these"),
)
OURS = (
    (r"^every device: hook gpunode-runtime hook apply$", "the one hook in place of theirs"),
    (r"^every device: mount /etc/vulkan/implicit_layer\.d/",
     "the driver's own share directory is looked in too"),
    (r"^every device: mount /usr/local/nvidia/bin/",
     "programs beside the libraries are looked for, not only those in PATH"),
)


def entries_of(spec):
    """What a spec gives, one line an edit, without the order and without hooks' arguments."""
    found = set()
    for device in spec["devices"]:
        found.add(f"device {device['name']}")
        found |= edits_of(f"device {device['name']}", device["containerEdits"])
    return found | edits_of("every device", spec.get("containerEdits", {}))


def edits_of(who, edits):
    found = {f"{who}: env {one}" for one in edits.get("env", ())}
    found |= {f"{who}: node {one['path']}" for one in edits.get("deviceNodes", ())}
    found |= {f"{who}: mount {one['containerPath']}" for one in edits.get("mounts", ())}
    for hook in edits.get("hooks", ()):
        words = hook.get("args", [hook["path"]])
        end = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
        found.add(f"{who}: hook {' '.join(words[:end])}")
        for option, value in zip(words, words[1:]):
            if option == "--link":
                found.add(f"{who}: link {value}")
    return found


def differences(theirs, ours):
    """[(line, reason or None)], each line beginning with whose it is."""
    return ([(f"theirs alone: {entry}", reason_for(entry, THEIRS))
             for entry in sorted(theirs - ours)] +
            [(f"ours alone: {entry}", reason_for(entry, OURS))
             for entry in sorted(ours - theirs)])


def reason_for(entry, reasons):
    return next((why for pattern, why in reasons if re.search(pattern, entry)), None)
