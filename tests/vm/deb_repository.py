"""A repository of Debian packages that tests make: packages from files and texts, an index, and a signature by a key that is
made for it."""

import os

from machine import run


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


class DebRepository:
    def __init__(self, place, work, key, origin):
        """In the directory `place`, flat; `work`: for what is between. `key`: the name of its public key there."""
        self.place, self.work, self.key, self.origin = place, work, key, origin
        self.place.mkdir(parents=True)

    def package(self, name, version, files=(), needs="", scripts=(), beside=""):
        """A directory to pack(), with `files` of (path, text, mode) and maintainer's `scripts` of (name, text)."""
        root = self.work / f"{name}-{version}"
        control = (f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
                   "Maintainer: nobody <nobody@stub.invalid>\nDescription: stub\n")
        if needs:
            control += f"Depends: {needs}\n"
        if beside:
            control += f"Conflicts: {beside}\n"
        write(root / "DEBIAN/control", control)
        for path, text, mode in files:
            write(root / path, text, mode)
        for script, text in scripts:
            write(root / "DEBIAN" / script, text, 0o755)
        return root

    def pack(self, root):
        run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), f"{self.place}/{root.name}_amd64.deb"])

    def finish(self):
        """Makes index, key and signature; returns the key's fingerprint."""
        here = ["env", "-C", str(self.place), "apt-ftparchive"]
        write(self.place / "Packages", run([*here, "packages", "."]).stdout)
        write(self.place / "Release",
              run([*here, "-o", f"APT::FTPArchive::Release::Origin={self.origin}", "release", "."]).stdout)
        return self.sign()

    def sign(self):
        home = self.work / "gnupg"
        home.mkdir(mode=0o700, parents=True)
        env = {**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C"}
        gpg = ["gpg", "--batch", "--yes", "-q"]
        write(self.work / "key", "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\n"
              "Name-Real: Stub\nName-Email: stub@stub.invalid\nExpire-Date: 0\n%commit\n")
        run([*gpg, "--gen-key", str(self.work / "key")], env=env)
        run([*gpg, "--armor", "--output", str(self.place / self.key), "--export"], env=env)
        told = run([*gpg, "--with-colons", "--fingerprint"], env=env).stdout
        run([*gpg, "--clearsign", "--digest-algo", "SHA256", "--output", str(self.place / "InRelease"),
             str(self.place / "Release")], env=env)
        run(["gpgconf", "--kill", "all"], env=env)
        return next(line.split(":")[9] for line in told.splitlines() if line.startswith("fpr:"))
