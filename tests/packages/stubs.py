#!/usr/bin/env python3
"""Makes the signed stub repositories that the tests of package managers use.

  stubs.py DIRECTORY

Keys, debs and rpms are made anew, with throw-away keys, unless DIRECTORY was made by this very
file. Below DIRECTORY:

  keys/{good,other,expired}.asc     public keys
  deb/{good,other,expired}/         apt repositories, alike but for who signed them
  rpm/{good,other,expired}/         the same for dnf and zypper; packages and metadata are signed

Every repository has, in versions 580.1-1 and 580.2-1 (kubelet: 1.25.0-1):
  stub-driver   needs stub-lib of the same version
  stub-lib
  stub-rival    conflicts with stub-driver
  stub-needy    needs what nobody has
  stub-broken   its script after installation fails
  stub-extra    needs nothing
  stub-eater    conflicts with kubelet
  kubelet
In rpm/, stub-module 580.1-1 and 590.1-1 are in streams 580-dkms and 590-open of a module
"stub-nvidia".

  dnf-plugins/{enabled,lib}/        dnf's versionlock plugin and what it imports, if Debian's mirror
                                    has it: the package that has it does not suffer zypper beside it
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

VERSIONS = ("580.1", "580.2")
PACKAGES = {  # name -> {relation: what}; {v} is the version.
    "stub-lib": {},
    "stub-driver": {"needs": "stub-lib = {v}-1"},
    "stub-rival": {"conflicts": "stub-driver"},
    "stub-needy": {"needs": "stub-nowhere"},
    "stub-broken": {"script": "echo 'stub build failed: no headers' >&2; exit 7"},
    "stub-extra": {},
    "stub-eater": {"conflicts": "kubelet"},
    "kubelet": {},
}
# Expiry is tested with a key that was good when it signed.
KEYS = {"good": None, "other": None, "expired": "20200101T000000"}
MODULE = """---
document: modulemd
version: 2
data:
  name: stub-nvidia
  stream: "{stream}"
  version: 1
  context: {context}
  arch: noarch
  summary: stub
  description: stub
  license:
    module: [MIT]
  profiles:
    default:
      rpms: [stub-module]
  artifacts:
    rpms:
    - stub-module-0:{version}-1.noarch
...
"""


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"stubs: {' '.join(map(str, argv))}: exit status {done.returncode}\n"
                 f"{done.stdout.decode(errors='replace')}")
    return done.stdout


def versions_of(name):
    return ("1.25.0",) if name == "kubelet" else VERSIONS


class Stubs:
    """One directory of repositories."""

    def __init__(self, directory):
        self.top = directory
        self.work = directory / "work"
        self.home = directory / "gnupg"
        self.env = dict(os.environ, GNUPGHOME=str(self.home), LC_ALL="C")

    def gpg(self, key, *argv):
        when = ["--faked-system-time", KEYS[key]] if KEYS[key] else []
        return run("gpg", "--batch", "--yes", "-q", "--no-permission-warning", *when, *argv,
                   env=self.env)

    def keys(self):
        self.home.mkdir(mode=0o700)
        (self.top / "keys").mkdir()
        for key, born in KEYS.items():
            settings = self.work / f"{key}.txt"
            settings.write_text(
                "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\n"
                f"Name-Real: Stub {key}\nName-Email: {key}@stub.invalid\n"
                f"Expire-Date: {'1y' if born else '0'}\n%commit\n")
            self.gpg(key, "--gen-key", settings)
            self.gpg(key, "--armor", "--output", self.top / f"keys/{key}.asc", "--export",
                     f"{key}@stub.invalid")

    def debs(self):
        pool = self.work / "debs"
        pool.mkdir()
        for name, relations in PACKAGES.items():
            for version in versions_of(name):
                tree = self.work / f"deb-{name}-{version}"
                (tree / "DEBIAN").mkdir(parents=True)
                share = tree / "usr/share" / name
                share.mkdir(parents=True)
                (share / "data").write_bytes(hashlib.sha512(name.encode()).digest() * 2000)
                control = (f"Package: {name}\nVersion: {version}-1\nArchitecture: all\n"
                           "Maintainer: nobody <nobody@stub.invalid>\nInstalled-Size: 128\n"
                           "Description: stub\n")
                if "needs" in relations:
                    need, _, exact = relations["needs"].format(v=version).partition(" = ")
                    control += f"Depends: {need}{f' (= {exact})' if exact else ''}\n"
                if "conflicts" in relations:
                    control += f"Conflicts: {relations['conflicts']}\n"
                (tree / "DEBIAN/control").write_text(control)
                if "script" in relations:
                    script = tree / "DEBIAN/postinst"
                    script.write_text(f"#!/bin/sh\n{relations['script']}\n")
                    script.chmod(0o755)
                run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree,
                    pool / f"{name}_{version}-1_all.deb")
        for key in KEYS:
            repository = self.top / "deb" / key
            (repository / "pool").mkdir(parents=True)
            for deb in pool.iterdir():
                os.link(deb, repository / "pool" / deb.name)
            packages = run("apt-ftparchive", "packages", "pool", cwd=repository)
            for architecture in ("amd64", "all"):
                index = repository / f"dists/stub/main/binary-{architecture}/Packages"
                index.parent.mkdir(parents=True)
                index.write_bytes(packages)
            release = run("apt-ftparchive", "-o", "APT::FTPArchive::Release::Origin=Stub",
                          "-o", "APT::FTPArchive::Release::Codename=stub",
                          "-o", "APT::FTPArchive::Release::Components=main",
                          "-o", "APT::FTPArchive::Release::Architectures=amd64 all",
                          "release", "dists/stub", cwd=repository)
            (repository / "dists/stub/Release").write_bytes(release)
            self.gpg(key, "-u", f"{key}@stub.invalid", "--clearsign", "--digest-algo", "SHA256",
                     "--output", repository / "dists/stub/InRelease",
                     repository / "dists/stub/Release")

    def rpms(self):
        pool = self.work / "rpms"
        for name, relations in {**PACKAGES, "stub-module": {}}.items():
            for version in ("580.1", "590.1") if name == "stub-module" else versions_of(name):
                self.rpm(pool, name, version, relations)
        for key in KEYS:
            repository = self.top / "rpm" / key
            shutil.copytree(pool, repository)
            self.sign_rpms(key, sorted(repository.glob("*.rpm")))
            run("createrepo_c", "-q", "--no-database", repository)
            modules = self.work / "modules.yaml"
            modules.write_text(
                MODULE.format(stream="580-dkms", context="aaaaaaaa", version="580.1") +
                MODULE.format(stream="590-open", context="bbbbbbbb", version="590.1"))
            run("modifyrepo_c", "--mdtype=modules", modules, repository / "repodata")
            self.gpg(key, "-u", f"{key}@stub.invalid", "--armor", "--detach-sign",
                     repository / "repodata/repomd.xml")

    def rpm(self, pool, name, version, relations):
        spec = self.work / f"{name}.spec"
        lines = [f"Name: {name}", f"Version: {version}", "Release: 1", "Summary: stub",
                 "License: MIT", "BuildArch: noarch"]
        if "needs" in relations:
            lines.append("Requires: " + relations["needs"].format(v=version))
        if "conflicts" in relations:
            lines.append("Conflicts: " + relations["conflicts"])
        if name == "stub-module":
            lines.append("ModularityLabel: stub-nvidia:%s:1:%s" % (
                ("580-dkms", "aaaaaaaa") if version == "580.1" else ("590-open", "bbbbbbbb")))
        lines += ["%description", "stub", "%install", f"mkdir -p %{{buildroot}}/usr/share/{name}",
                  f"head -c 100000 /dev/zero > %{{buildroot}}/usr/share/{name}/data"]
        if "script" in relations:
            # In Lua, which needs no shell in the root that it runs in.
            lines += ["%post -p <lua>", "error('stub build failed: no headers')"]
        lines += ["%files", f"/usr/share/{name}/data", ""]
        spec.write_text("\n".join(lines))
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {self.work}/rpmbuild",
            "--define", f"_rpmdir {pool}",
            "--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", spec)

    def sign_rpms(self, key, rpms):
        gpg = "/usr/bin/gpg --no-permission-warning --batch"
        if KEYS[key]:
            gpg += f" --faked-system-time {KEYS[key]}"
        run("rpmsign", "--define", f"_gpg_name {key}@stub.invalid",
            "--define", f"__gpg_sign_cmd {gpg.split()[0]} {gpg} --no-armor --no-secmem-warning "
            "-u %{_gpg_name} -sbo %{__signature_filename} --digest-algo sha256 "
            "%{__plaintext_filename}", "--addsign", *rpms, env=self.env)

    def dnf_plugins(self):
        packages = pathlib.Path("/usr/lib/python3/dist-packages")
        if not (packages / "dnf-plugins/versionlock.py").exists():
            done = subprocess.run(["apt-get", "-q", "download", "dnf-plugins-core"], cwd=self.work,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            debs = list(self.work.glob("dnf-plugins-core_*.deb"))
            if done.returncode != 0 or not debs:
                print("stubs: no versionlock plugin:", done.stdout.decode(errors="replace"))
                return
            run("dpkg-deb", "-x", debs[0], self.work / "plugins")
            packages = self.work / "plugins" / packages.relative_to("/")
        plugins = self.top / "dnf-plugins"
        (plugins / "enabled").mkdir(parents=True)
        shutil.copy(packages / "dnf-plugins/versionlock.py", plugins / "enabled")
        shutil.copytree(packages / "dnfpluginscore", plugins / "lib/dnfpluginscore")

    def make(self):
        self.work.mkdir(parents=True)
        self.dnf_plugins()
        self.keys()
        self.debs()
        self.rpms()
        subprocess.run(["gpgconf", "--kill", "all"], env=self.env, check=False)
        shutil.rmtree(self.work)
        shutil.rmtree(self.home)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: stubs.py DIRECTORY")
    directory = pathlib.Path(sys.argv[1]).resolve()
    mark, source = directory / "made-by", hashlib.sha256(pathlib.Path(__file__).read_bytes())
    if mark.exists() and mark.read_text() == source.hexdigest():
        return
    tools = ("gpg", "dpkg-deb", "apt-ftparchive", "rpmbuild", "rpmsign", "createrepo_c",
             "modifyrepo_c")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"not here: {', '.join(missing)}; tools/setup packages installs them")
        sys.exit(77)
    shutil.rmtree(directory, ignore_errors=True)
    Stubs(directory).make()
    mark.write_text(source.hexdigest())


if __name__ == "__main__":
    main()
