#!/usr/bin/env python3
"""Makes the signed stub repositories that the tests of package managers use.

  stubs.py DIRECTORY

Keys, debs and rpms are made anew, with throw-away keys, unless DIRECTORY was made by this very
file. Below DIRECTORY:

  keys/{good,other,expired}.asc     public keys
  deb/{good,other,expired}/         apt repositories, alike but for who signed them
  rpm/{good,other,expired}/         the same for dnf and zypper; packages and metadata are signed

Every repository has, in versions 580.1-1 and 580.2-1 (kubelet, kubeadm: 1.25.0-1, containerd.io:
1.6.33-1 and 1.7.29-1):
  stub-driver   needs stub-lib of the same version
  stub-lib
  stub-rival    conflicts with stub-driver
  stub-needy    needs what nobody has
  stub-broken   its script after installation fails
  stub-extra    needs nothing
  stub-eater    conflicts with kubelet
  kubelet
  kubeadm       needs kubelet of the same version
  containerd.io
In rpm/, stub-module 580.1-1 and 590.1-1 are in streams 580-dkms and 590-open of a module
"stub-nvidia".

In deb/, the component "contrib" beside "main" has stub-contrib. In rpm/, the package
python3-dnf-plugin-versionlock is a name alone (dnf-plugins/ has the plugin), and epel-release
brings a file for the second of

  cuda/{rhel8,sles15,ubuntu2204}/x86_64/
                                    NVIDIA's repositories by the names that they have, signed by good;
                                    in 580.105.08 the fabric manager is missing, as on a mirror that is
                                    between two versions; rhel8 has the stream 580 with modules that
                                    come built for two kernels
  archive/                          apt: the same names by "Ubuntu", newer
  plans/DIRECTORY/{x86_64,sbsa}/    NVIDIA's repositories that tests/fixtures/driver_repositories.json
                                    tells of; the two architectures are one

  vault/rocky/8.9/, snapshot/        an archive of a point release, and of a day: kernel-devel and
                                    linux-headers that no repository has, and a newer stub-extra
  rpm-extra/{crb,epel}/             stub-crb; stub-epel, which needs stub-crb; signed by good
  base/{deb,rpm}/                   the tools of a distribution that a node and DKMS need, by their own
                                    names, and what dkms needs; signed by good

  dnf-plugins/{enabled,lib}/        dnf's versionlock plugin and what it imports, if Debian's mirror
                                    has it, else asked for again the next time: the package that has it
                                    does not suffer zypper beside it

  dnf5                              a link to a root with dnf 5 (dnf5_root.py); dnf5-missing has the
                                    reason where it can't be made, and the next time it is tried again
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

REPOSITORIES = pathlib.Path(__file__).resolve().parents[1] / "fixtures/driver_repositories.json"
DIST_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")
VERSIONS = ("580.1", "580.2")
DNF5_LIMIT = 200  # Seconds; ctest gives 300 to all of this.
PACKAGES = {  # name -> {relation: what}; {v} is the version.
    "stub-lib": {},
    "stub-driver": {"needs": "stub-lib = {v}-1"},
    "stub-rival": {"conflicts": "stub-driver"},
    "stub-needy": {"needs": "stub-nowhere"},
    "stub-broken": {"script": "echo 'stub build failed: no headers' >&2; exit 7"},
    "stub-extra": {"conffile": "/etc/stub-extra.conf"},  # Of the deb alone.
    "stub-eater": {"conflicts": "kubelet"},
    "kubelet": {},
    "kubeadm": {"needs": "kubelet = {v}-1"},
    "containerd.io": {},
}
DRIVER = ("580.65.06", "580.95.05", "580.105.08", "595.45.04")
BESIDE = ("580.65.06", "580.95.05", "595.45.04")
# What DKMS is told of, as packages of modules have it; {v} is the version.
DKMS_CONF = ("/usr/src/nvidia-{v}/dkms.conf", "PACKAGE_NAME=nvidia")
CUDA_RPMS = {  # name -> (versions, relations)
    "nvidia-driver-cuda-libs": (DRIVER, {"epoch": 3}),
    "nvidia-driver-cuda": (DRIVER, {"epoch": 3, "needs": "nvidia-driver-cuda-libs = 3:{v}"}),
    "kmod-nvidia-open-dkms": (DRIVER, {"epoch": 3, "conflicts": "kmod-nvidia-latest-dkms",
                                        "file": DKMS_CONF}),
    "kmod-nvidia-latest-dkms": (DRIVER, {"epoch": 3, "conflicts": "kmod-nvidia-open-dkms"}),
    "nvidia-persistenced": (DRIVER, {"epoch": 3}),
    "nvidia-fabricmanager": (BESIDE, {}),
    "libnvidia-nscq": (BESIDE, {}),
}
MODULAR = ("nvidia-driver-cuda-libs", "nvidia-driver-cuda", "nvidia-persistenced")
# Modules that come built: version -> kernels. As at NVIDIA's the newest driver has not one for each.
PRECOMPILED = {"580.65.06": ("5.14.0-570.12.1", "5.14.0-570.17.1"), "580.95.05": ("5.14.0-570.12.1",)}
SUSE_RPMS = {
    "nvidia-compute-utils-G06": (DRIVER[:3], {}),
    "nvidia-open-driver-G06": (DRIVER[:3], {"needs": "nvidia-compute-utils-G06 = {v}"}),
    "nvidia-driver-G06": (DRIVER[:3], {"conflicts": "nvidia-open-driver-G06"}),
    "nvidia-persistenced": (BESIDE, {}),
}
CUDA_DEBS = {
    "libnvidia-compute-580": (DRIVER[:3], {}),
    "nvidia-dkms-580-open": (DRIVER[:3], {"needs": "libnvidia-compute-580 = {v}",
                                          "conflicts": "nvidia-dkms-580", "file": DKMS_CONF}),
    "nvidia-dkms-580": (DRIVER[:3], {"conflicts": "nvidia-dkms-580-open"}),
    "nvidia-utils-580": (DRIVER[:3], {"needs": "libnvidia-compute-580 = {v}"}),
    "nvidia-persistenced": (BESIDE, {}),
}
BASE = {"conntrack": {}, "ethtool": {}, "g++": {}, "gcc": {}, "iproute2": {}, "make": {}, "patch": {}, "socat": {},
        "dkms": {"needs": "patch = {v}"}}
# As rpm has them.
RPM_NAMES = {"conntrack": "conntrack-tools", "g++": "gcc-c++", "iproute2": "iproute-tc"}
# Expiry is tested with a key that was good when it signed: it is born on the first day, and signs a
# day later, since gpg's clock goes on while it makes the key.
KEYS = {"good": None, "other": None, "expired": "20200101T000000"}
SIGNING_DAY = "20200102T000000"
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


CUDA_MODULE = """---
document: modulemd
version: 2
data:
  name: nvidia-driver
  stream: "{stream}"
  version: 1
  context: "{context}"
  arch: noarch
  summary: stub
  description: stub
  license:
    module: [MIT]
  artifacts:
    rpms:
{artifacts}
...
"""


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"stubs: {' '.join(map(str, argv))}: exit status {done.returncode}\n"
                 f"{done.stdout.decode(errors='replace')}")
    return done.stdout


def versions_of(name):
    if name == "stub-contrib":
        return ("580.1",)
    if name == "containerd.io":
        return ("1.6.33", "1.7.29")
    return ("1.25.0",) if name in ("kubelet", "kubeadm") else VERSIONS


class Stubs:
    """One directory of repositories."""

    def __init__(self, directory):
        self.top = directory
        self.work = directory / "work"
        self.home = directory / "gnupg"
        self.env = dict(os.environ, GNUPGHOME=str(self.home), LC_ALL="C")

    def gpg(self, key, *argv):
        day = KEYS[key] if "--gen-key" in argv else SIGNING_DAY
        when = ["--faked-system-time", day] if KEYS[key] else []
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

    @staticmethod
    def directory(path):
        path.mkdir(parents=True, exist_ok=True)
        return path

    def debs(self):
        pool = self.work / "debs"
        pool.mkdir()
        for name, relations in {**PACKAGES, "stub-contrib": {}}.items():
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
                if "conffile" in relations:
                    conffile = tree / relations["conffile"].lstrip("/")
                    self.directory(conffile.parent)
                    conffile.write_text("as packaged\n")
                    (tree / "DEBIAN/conffiles").write_text(relations["conffile"] + "\n")
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
            os.rename(repository / "pool/stub-contrib_580.1-1_all.deb",
                      self.directory(repository / "contrib") / "stub-contrib_580.1-1_all.deb")
            for component, files in (("main", "pool"), ("contrib", "contrib")):
                packages = run("apt-ftparchive", "packages", files, cwd=repository)
                for architecture in ("amd64", "all"):
                    index = repository / f"dists/stub/{component}/binary-{architecture}/Packages"
                    index.parent.mkdir(parents=True)
                    index.write_bytes(packages)
            release = run("apt-ftparchive", "-o", "APT::FTPArchive::Release::Origin=Stub",
                          "-o", "APT::FTPArchive::Release::Codename=stub",
                          "-o", "APT::FTPArchive::Release::Components=main contrib",
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
        for name, relations in (("crb", {}), ("epel", {"needs": "stub-crb"})):
            extra = self.top / "rpm-extra" / name
            self.rpm(extra, f"stub-{name}", "580.1", relations)
            self.sign_rpms("good", sorted(extra.glob("*.rpm")))
            run("createrepo_c", "-q", "--no-database", extra)
            self.gpg("good", "-u", "good@stub.invalid", "--armor", "--detach-sign",
                     extra / "repodata/repomd.xml")
        self.rpm(pool, "python3-dnf-plugin-versionlock", "4.0", {})
        self.rpm(pool, "epel-release", "9", {"file": (
            "/etc/yum.repos.d/epel.repo",
            f"[epel]\\nname=Extra\\nbaseurl=file://{self.top}/rpm-extra/epel\\nenabled=1\\n"
            f"gpgcheck=1\\ngpgkey=file://{self.top}/keys/good.asc\\n")})
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

    def cuda_rpms(self):
        for place, packages in (("rhel8", CUDA_RPMS), ("sles15", SUSE_RPMS)):
            repository = self.top / "cuda" / place / "x86_64"
            for name, (versions, relations) in packages.items():
                for version in versions:
                    self.rpm(repository, name, version, relations)
            if place == "rhel8":
                self.precompiled_rpms(repository, PRECOMPILED)
            self.sign_rpms("good", sorted(repository.glob("*.rpm")))
            run("createrepo_c", "-q", "--no-database", repository)
            if place == "rhel8":
                self.cuda_streams(repository, DRIVER, PRECOMPILED)
            self.gpg("good", "-u", "good@stub.invalid", "--armor", "--detach-sign",
                     repository / "repodata/repomd.xml")
            shutil.copy(self.top / "keys/good.asc", repository / "D42D0685.pub")

    def precompiled_rpms(self, repository, kernels):
        for version, releases in kernels.items():
            for kernel in releases:
                self.rpm(repository, f"kmod-nvidia-{version}-{kernel}", version,
                         {"epoch": 3, "conflicts": "kmod-nvidia-latest-dkms"})

    def cuda_streams(self, repository, releases, precompiled):
        text = ""
        streams = ["latest-dkms", "open-dkms", "580-dkms", "580-open"]
        if any(version.startswith("470") for version in releases):
            streams.append("470-dkms")
        if precompiled:
            streams.append("580")
        for number, stream in enumerate(streams):
            branch = stream.partition("-")[0]
            versions = [v for v in releases if v.startswith(branch) or
                        not (branch.isdigit() or v.startswith("470"))]
            display = ("nvidia-driver", "nvidia-driver-libs") if branch == "470" else ()
            kmod = "kmod-nvidia-open-dkms" if "open" in stream else "kmod-nvidia-latest-dkms"
            names = [(name, version) for name in (*MODULAR, *display) for version in versions]
            if stream.isdigit():
                names += [(f"kmod-nvidia-{version}-{kernel}", version)
                          for version, kernels in precompiled.items() for kernel in kernels]
            else:
                names += [(kmod, version) for version in versions]
            artifacts = [f"    - {name}-3:{version}-1.noarch" for name, version in names]
            text += CUDA_MODULE.format(stream=stream, context=f"{number:08x}",
                                       artifacts="\n".join(artifacts))
        modules = self.work / "modules.yaml"
        modules.write_text(text)
        run("modifyrepo_c", "--mdtype=modules", modules, repository / "repodata")

    def cuda_debs(self):
        newer = {"libnvidia-compute-580": (("580.126.09",), {})}
        for place, packages, origin, release in (
                ("cuda/ubuntu2204/x86_64", CUDA_DEBS, "NVIDIA", "0ubuntu1"),
                ("archive", newer, "Ubuntu", "0ubuntu0.22.04.1")):
            repository = self.directory(self.top / place)
            for name, (versions, relations) in packages.items():
                for version in versions:
                    self.deb(repository, name, version, relations, release)
            self.flat_index(repository, origin)
            shutil.copy(self.top / "keys/good.asc", repository / "3bf863cc.pub")

    def flat_index(self, repository, origin):
        (repository / "Packages").write_bytes(
            run("apt-ftparchive", "packages", ".", cwd=repository))
        text = run("apt-ftparchive", "-o", f"APT::FTPArchive::Release::Origin={origin}",
                   "release", ".", cwd=repository)
        (repository / "Release").write_bytes(text)
        self.gpg("good", "-u", "good@stub.invalid", "--clearsign", "--digest-algo", "SHA256",
                 "--output", repository / "InRelease", repository / "Release")

    def base(self):
        debs, rpms = self.directory(self.top / "base/deb"), self.directory(self.top / "base/rpm")
        for name, relations in BASE.items():
            self.deb(debs, name, "1.0", relations, "1")
            self.rpm(rpms, RPM_NAMES.get(name, name), "1.0", relations)
        self.rpm(rpms, "elfutils-libelf-devel", "1.0", {})
        self.flat_index(debs, "Ubuntu")
        self.sign_rpms("good", sorted(rpms.glob("*.rpm")))
        run("createrepo_c", "-q", "--no-database", rpms)

    def archives(self):
        for place, packages in (("BaseOS", ("kernel-devel", "stub-extra")), ("AppStream", ("stub-extra",))):
            repository = self.top / "vault/rocky/8.9" / place / "x86_64/os"
            for name in packages:
                version = ("4.18.0", "513.5.1.el8_9") if name == "kernel-devel" else ("999.0", "1")
                self.rpm(repository, name, version[0], {}, version[1])
            self.sign_rpms("good", sorted(repository.glob("*.rpm")))
            run("createrepo_c", "-q", "--no-database", repository)
        for archive, suites in (("debian", ("bookworm", "bookworm-updates")),
                                ("debian-security", ("bookworm-security",))):
            repository = self.top / "snapshot" / archive / "20240905T000000Z"
            pool = self.directory(repository / "pool")
            self.deb(pool, "stub-extra", "1.0", {}, "1")
            if archive == "debian-security":
                self.deb(pool, "linux-headers-6.1.0-25-amd64", "6.1.106", {}, "3")
            for suite in suites:
                self.suite(repository, suite)

    def suite(self, repository, suite):
        """Long past its time, as all that is in an archive."""
        dist = repository / "dists" / suite
        packages = run("apt-ftparchive", "packages", "pool", cwd=repository)
        for architecture in ("amd64", "all"):
            index = self.directory(dist / "main" / f"binary-{architecture}") / "Packages"
            index.write_bytes(packages)
        release = run("apt-ftparchive", "-o", f"APT::FTPArchive::Release::Codename={suite}",
                      "-o", f"APT::FTPArchive::Release::Suite={suite}",
                      "-o", "APT::FTPArchive::Release::Components=main",
                      "-o", "APT::FTPArchive::Release::Architectures=amd64 all",
                      "release", f"dists/{suite}", cwd=repository)
        past = b"Valid-Until: Thu, 12 Sep 2024 00:00:00 UTC\n"
        (dist / "Release").write_bytes(past + release)
        self.gpg("good", "-u", "good@stub.invalid", "--clearsign", "--digest-algo", "SHA256",
                 "--output", dist / "InRelease", dist / "Release")

    def plan_repositories(self):
        """What tests/fixtures/driver_repositories.json tells of."""
        told = json.loads(REPOSITORIES.read_text())
        for one in told["repositories"]:
            first = self.directory(self.top / "plans" / one["directories"][0] / "x86_64")
            releases = []
            for branch, packages in one["branches"].items():
                releases += told["releases"][branch]
                for name, about in packages.items():
                    for version in told["releases"][branch]:
                        self.plan_package(first, one, name, version, packages)
            for name, version in one["others"].items():
                self.plan_package(first, one, name, version, {name: {}})
            if one["manager"] == "apt":
                self.flat_index(first, "NVIDIA")
            else:
                self.precompiled_rpms(first, one.get("precompiled", {}))
                self.sign_rpms("good", sorted(first.glob("*.rpm")))
                run("createrepo_c", "-q", "--no-database", first)
                if one.get("streams"):
                    self.cuda_streams(first, releases, one.get("precompiled", {}))
                self.gpg("good", "-u", "good@stub.invalid", "--armor", "--detach-sign",
                         first / "repodata/repomd.xml")
            shutil.copy(self.top / "keys/good.asc", first / one["key"])
            for directory in one["directories"]:
                if directory != one["directories"][0]:
                    shutil.copytree(first, self.top / "plans" / directory / "x86_64")
                (self.top / "plans" / directory / "sbsa").symlink_to("x86_64")

    def plan_package(self, pool, repository, name, version, packages):
        about = packages[name]
        version, _, release = version.partition("-")
        relations = {key: about[key] for key in ("epoch", "conflicts") if key in about}
        for need in about.get("needs", ()):
            epoch = packages[need].get("epoch")
            relations["needs"] = f"{need} = {f'{epoch}:' if epoch else ''}{{v}}"
        if about.get("module"):
            relations["file"] = DKMS_CONF
        if repository["manager"] == "apt":
            self.deb(pool, name, version, relations, release or repository["release"])
        else:
            self.rpm(pool, name, version, relations, release or "1")

    def deb(self, pool, name, version, relations, release):
        place = str(pool.relative_to(self.top)).replace("/", "-")
        tree = self.work / f"deb-{place}-{name}-{version}-{release}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = (f"Package: {name}\nVersion: {version}-{release}\nArchitecture: all\n"
                   "Maintainer: nobody <nobody@stub.invalid>\nDescription: stub\n")
        if "needs" in relations:
            need, _, exact = relations["needs"].format(v=version).partition(" = ")
            control += f"Depends: {need} (= {exact}-{release})\n"
        if "conflicts" in relations:
            control += f"Conflicts: {relations['conflicts']}\n"
        (tree / "DEBIAN/control").write_text(control)
        path, text = relations.get("file", ("", ""))
        if path:
            file = tree / path.format(v=version).lstrip("/")
            file.parent.mkdir(parents=True)
            file.write_text(text)
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree,
            pool / f"{name}_{version}-{release}_all.deb")

    def rpm(self, pool, name, version, relations, release="1"):
        spec = self.work / f"{name}.spec"
        lines = [f"Name: {name}", f"Version: {version}", f"Release: {release}", "Summary: stub",
                 "License: MIT", "BuildArch: noarch"]
        if "epoch" in relations:
            lines.append(f"Epoch: {relations['epoch']}")
        if "needs" in relations:
            lines.append("Requires: " + relations["needs"].format(v=version))
        if "conflicts" in relations:
            lines.append("Conflicts: " + relations["conflicts"])
        if name == "stub-module":
            lines.append("ModularityLabel: stub-nvidia:%s:1:%s" % (
                ("580-dkms", "aaaaaaaa") if version == "580.1" else ("590-open", "bbbbbbbb")))
        lines += ["%description", "stub", "%install", f"mkdir -p %{{buildroot}}/usr/share/{name}",
                  f"head -c 100000 /dev/zero > %{{buildroot}}/usr/share/{name}/data"]
        path, text = relations.get("file", ("", ""))
        path = path.format(v=version)
        if path:
            lines += [f"mkdir -p %{{buildroot}}{os.path.dirname(path)}",
                      f"printf '{text}' > %{{buildroot}}{path}"]
        if "script" in relations:
            # In Lua, which needs no shell in the root that it runs in.
            lines += ["%post -p <lua>", "error('stub build failed: no headers')"]
        lines += ["%files", f"/usr/share/{name}/data", path, ""]
        spec.write_text("\n".join(lines))
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {self.work}/rpmbuild",
            "--define", f"_rpmdir {pool}",
            "--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", spec)

    def sign_rpms(self, key, rpms):
        gpg = "/usr/bin/gpg --no-permission-warning --batch"
        if KEYS[key]:
            gpg += f" --faked-system-time {SIGNING_DAY}"
        run("rpmsign", "--define", f"_gpg_name {key}@stub.invalid",
            "--define", f"__gpg_sign_cmd {gpg.split()[0]} {gpg} --no-armor --no-secmem-warning "
            "-u %{_gpg_name} -sbo %{__signature_filename} --digest-algo sha256 "
            "%{__plaintext_filename}", "--addsign", *rpms, env=self.env)

    def dnf_plugins(self, packages=DIST_PACKAGES):
        """Makes dnf-plugins/, whole or not at all: a mirror that did not answer is asked again the next time."""
        plugins = self.top / "dnf-plugins"
        if plugins.exists():
            return
        with tempfile.TemporaryDirectory(dir=self.top) as folder:
            work = pathlib.Path(folder)
            if not (packages / "dnf-plugins/versionlock.py").exists():
                done = subprocess.run(["apt-get", "-q", "download", "dnf-plugins-core"], cwd=work,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
                debs = list(work.glob("dnf-plugins-core_*.deb"))
                if done.returncode != 0 or not debs:
                    print("stubs: no versionlock plugin:", done.stdout.decode(errors="replace"))
                    return
                run("dpkg-deb", "-x", debs[0], work / "unpacked")
                packages = work / "unpacked" / DIST_PACKAGES.relative_to("/")
            (work / "made/enabled").mkdir(parents=True)
            shutil.copy(packages / "dnf-plugins/versionlock.py", work / "made/enabled")
            shutil.copytree(packages / "dnfpluginscore", work / "made/lib/dnfpluginscore")
            (work / "made").rename(plugins)

    def dnf5(self):
        """Links to the root that has dnf 5. Its maker is stopped before ctest stops this one."""
        link, missing = self.top / "dnf5", self.top / "dnf5-missing"
        link.unlink(missing_ok=True)
        missing.unlink(missing_ok=True)
        maker = pathlib.Path(__file__).resolve().parent / "dnf5_root.py"
        try:
            done = subprocess.run([sys.executable, maker], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=DNF5_LIMIT, check=False)
            said, is_made = done.stdout.strip(), done.returncode == 0
        except subprocess.TimeoutExpired:
            said, is_made = f"not made after {DNF5_LIMIT} s", False
        if is_made:
            link.symlink_to(said.splitlines()[-1])
            return
        print("stubs: no dnf 5:", said)
        missing.write_text(said)

    def make(self):
        self.work.mkdir(parents=True)
        self.keys()
        self.debs()
        self.rpms()
        self.cuda_rpms()
        self.cuda_debs()
        self.archives()
        self.base()
        self.plan_repositories()
        subprocess.run(["gpgconf", "--kill", "all"], env=self.env, check=False)
        shutil.rmtree(self.work)
        shutil.rmtree(self.home)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: stubs.py DIRECTORY")
    directory = pathlib.Path(sys.argv[1]).resolve()
    mark, source = directory / "made-by", hashlib.sha256(pathlib.Path(__file__).read_bytes() +
                                                         REPOSITORIES.read_bytes())
    if mark.exists() and mark.read_text() == source.hexdigest():
        Stubs(directory).dnf_plugins()
        Stubs(directory).dnf5()
        return
    tools = ("gpg", "dpkg-deb", "apt-ftparchive", "rpmbuild", "rpmsign", "createrepo_c",
             "modifyrepo_c")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        print(f"not here: {', '.join(missing)}; tools/setup packages installs them")
        sys.exit(77)
    shutil.rmtree(directory, ignore_errors=True)
    stubs = Stubs(directory)
    stubs.make()
    stubs.dnf_plugins()
    stubs.dnf5()
    mark.write_text(source.hexdigest())


if __name__ == "__main__":
    main()
