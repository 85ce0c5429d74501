#include "tests/packages/program_host.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/host/host_root.h"
#include "node/provision/packages/openpgp_key.h"

namespace gpunode::packages {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKernel = "6.1.0-25-amd64";

/// $T is the host. What it has of its own lies there; "layer" is over /usr.
constexpr const char* kMounts = R"sh(set -eu
T=$1; shift
# A sanitizer looks for leaks by /proc, which is a double here.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
mount -t overlay overlay -o lowerdir=/usr,upperdir=$T/layer,workdir=$T/work $T/usr
mount -t proc proc $T/realproc
mount --rbind /dev $T/dev
mount --bind -o ro $STUBS $T/stubs
)sh";

/// dkms VERB -m nvidia -v V -k K [--force]: what is built is there when it is
/// installed, and not before.
constexpr const char* kDkms = R"sh(
echo "$1 $7" >> /var/dkms-calls
case $1 in
  build) [ -e /usr/src/nvidia-$5/dkms.conf ] && echo $5 > /var/built-$7 ;;
  install)
    [ -e /var/built-$7 ] || exit 4
    mkdir -p /lib/modules/$7/updates/dkms
    echo $5 > /lib/modules/$7/updates/dkms/nvidia.ko ;;
  uninstall) rm /lib/modules/$7/updates/dkms/nvidia.ko ;;
esac
)sh";

/// Answers of a file and, with -k, of what modprobe would find.
constexpr const char* kModinfo = R"sh(
if [ "$1" = -k ]; then set -- /lib/modules/$2/updates/dkms/nvidia.ko; fi
for file in "$@"; do
  [ -e $file ] || exit 1
  kernel=${file#/lib/modules/}
  echo "filename:       $file"
  echo "version:        $(cat $file)"
  echo "license:        Dual MIT/GPL"
  echo "vermagic:       ${kernel%%/*} SMP preempt mod_unload"
done
)sh";

constexpr const char* kModprobe = R"sh(
if [ "$1" = -r ]; then
  grep -v "^$2 " /proc/modules > /tmp/modules || true
  cat /tmp/modules > /proc/modules
  [ $2 != nvidia ] || rm -r /proc/driver/nvidia
  exit 0
fi
module=/lib/modules/$(cat /proc/sys/kernel/osrelease)/updates/dkms/nvidia.ko
[ -e $module ] || exit 1
echo "$1 1 0 - Live 0x0" >> /proc/modules
[ $1 = nvidia ] || exit 0
mkdir -p /proc/driver/nvidia
echo "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  $(cat $module)  Release Build" > /proc/driver/nvidia/version
)sh";

/// make -C /lib/modules/K/build M=DIRECTORY …: the module that proves that
/// modules can be built.
constexpr const char* kMake = R"sh(
kernel=${2#/lib/modules/}
printf '\000vermagic=%s SMP\000' ${kernel%%/*} > ${3#M=}/gpunode_probe.ko
)sh";

host::Command shell(std::string script, std::vector<std::string> words) {
  host::Command command;
  command.argv = {
      "/usr/bin/unshare", "-m", "-p", "-n", "-f", "--", "/bin/sh", "-c",
      std::move(script),  "sh"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.timeout = std::chrono::minutes(5);
  return command;
}

void copy(const std::string& from, const std::string& to) {
  fs::create_directories(fs::path(to).parent_path());
  fs::copy(from, to,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

/// Without the times that versionlock writes beside each of its lines.
std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (path.filename() != "versionlock.list") {
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string content;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("# Added lock on")) content += line + "\n";
  }
  return content;
}

std::string fingerprint() {
  const auto text = host::HostRoot().read_file(stubs() + "/keys/good.asc");
  if (!text) return "";
  const auto keys = parse_openpgp_keys(*text);
  return keys && !keys->empty() ? keys->front().fingerprint : "";
}

}  // namespace

ProgramHost::ProgramHost(Tool tool) : tool_(tool) {
  for (const char* directory :
       {"dev", "layer", "work", "usr", "realproc", "run", "tmp", "root", "srv",
        "stubs", "nothing", "proc/driver", "var/lib", "var/log", "var/cache",
        "var/tmp"}) {
    tree_.directory(directory);
  }
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) {
    tree_.link(name, std::string("usr/") + name);
  }
  lay_host();
  if (tool_ == Tool::kApt) {
    lay_apt();
  } else {
    lay_dnf();
  }
  copy(GPUNODE, tree_.path("opt/gpunode"));
}

std::string ProgramHost::obstacle() {
  if (::geteuid() != 0) return "needs root";
  const auto can = host::SystemCommandRunner().run(
      shell("mount -t tmpfs none /mnt && mkdir /mnt/a /mnt/b /mnt/c && mount "
            "-t overlay overlay -o "
            "lowerdir=/usr,upperdir=/mnt/a,workdir=/mnt/b /mnt/c",
            {}));
  if (!can || can->status != 0) return "needs namespaces and overlay mounts";
  return "";
}

void ProgramHost::lay_host() {
  tree_.file("proc/sys/kernel/osrelease", std::string(kKernel) + "\n");
  tree_.file("proc/sys/kernel/arch", "x86_64\n");
  tree_.file("proc/sys/kernel/random/boot_id",
             "11111111-2222-3333-4444-555555555555\n");
  tree_.file("proc/cmdline", "root=/dev/sda1 ro\n");
  tree_.file("proc/modules", "overlay 1 0 - Live 0x0\n");
  for (const char* name : {"self", "mounts", "meminfo", "cpuinfo", "stat",
                           "filesystems", "swaps", "devices", "uptime"}) {
    tree_.link(std::string("proc/") + name, std::string("/realproc/") + name);
  }
  for (const char* name : {"passwd", "group", "nsswitch.conf"}) {
    copy(std::string("/etc/") + name, tree_.path(std::string("etc/") + name));
  }
  // apt checks signatures with a script that needs it.
  tree_.link("etc/alternatives/awk", "/usr/bin/mawk");
  const std::string gpu = "sys/bus/pci/devices/0000:00:1e.0/";
  tree_.file(gpu + "vendor", "0x10de\n");
  tree_.file(gpu + "class", "0x030200\n");
  tree_.file(gpu + "device", "0x1eb8\n");
  tree_.file(std::string("boot/vmlinuz-") + kKernel, "");
  const std::string modules = std::string("layer/lib/modules/") + kKernel;
  tree_.file(modules + "/build/Makefile", "");
  tree_.file(modules + "/build/include/generated/utsrelease.h",
             std::string("#define UTS_RELEASE \"") + kKernel + "\"\n");
  for (const char* directory : {"etc/modprobe.d", "etc/modules-load.d"}) {
    tree_.directory(directory);
  }
  program("usr/bin/make", kMake);
  program("usr/sbin/dkms", kDkms);
  program("usr/sbin/modinfo", kModinfo);
  program("usr/sbin/modprobe", kModprobe);
}

void ProgramHost::lay_apt() const {
  tree_.file("etc/os-release",
             "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n");
  for (const char* directory :
       {"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
        "var/lib/apt/lists/partial", "var/cache/apt/archives/partial",
        "var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers",
        "var/log/apt"}) {
    tree_.directory(directory);
  }
  tree_.file("var/lib/dpkg/status", "");
  tree_.file("var/lib/dpkg/available", "");
  tree_.file("etc/apt/sources.list.d/base.list",
             "deb [signed-by=/stubs/keys/good.asc] file:/stubs/base/deb ./\n");
  // Nobody else than root is on it.
  tree_.file("etc/apt/apt.conf.d/10root", "APT::Sandbox::User \"root\";\n");
}

void ProgramHost::lay_dnf() const {
  tree_.file("etc/os-release",
             "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\n"
             "PLATFORM_ID=\"platform:el8\"\n");
  for (const char* directory : {"etc/dnf/modules.d", "etc/yum.repos.d",
                                "var/lib/rpm", "etc/pki/rpm-gpg"}) {
    tree_.directory(directory);
  }
  tree_.file("etc/dnf/dnf.conf",
             "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n");
  tree_.file("etc/dnf/plugins/versionlock.conf",
             "[main]\nenabled=1\nlocklist=/etc/dnf/plugins/versionlock.list\n");
  tree_.file("etc/dnf/plugins/versionlock.list", "");
  // Debian's rpm has its database in the caller's home.
  tree_.file("etc/rpm/macros", "%_dbpath /var/lib/rpm\n");
  tree_.file("etc/yum.repos.d/base.repo",
             "[base]\nname=Base\nbaseurl=file:///stubs/rpm/good\ngpgcheck=1\n"
             "gpgkey=file:///stubs/keys/good.asc\n[tools]\nname=Tools\nbaseurl="
             "file:///stubs/base/rpm\ngpgcheck=1\n"
             "gpgkey=file:///stubs/keys/good.asc\n");
  const std::string plugins = stubs() + "/dnf-plugins/";
  const std::string python = tree_.path("layer/lib/python3/dist-packages/");
  copy(plugins + "enabled", python + "dnf-plugins");
  copy(plugins + "lib", python);
}

void ProgramHost::carry(const std::string& path,
                        const ProgramHost& other) const {
  copy(tree_.path(path.substr(1)), other.tree_.path(path.substr(1)));
}

void ProgramHost::spec(const std::string& version,
                       const std::string& more) const {
  const bool is_apt = tool_ == Tool::kApt;
  tree_.file(
      "etc/gpunode/node.yaml",
      "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec:\n"
      "  host: {swap: keep, timeSync: keep, extraRepositories: false}\n"
      "  check: {interval: off}\n"
      "  driver: {version: \"" +
          version +
          "\"}\n"
          "  mirrors: {\"https://developer.download.nvidia.com/compute/cuda/"
          "repos\": \"file:///stubs/cuda\"}\n"
          "  distributions:\n    - {id: " +
          (is_apt ? "ubuntu, version: \"22.04\"" : "rocky, version: \"8\"") +
          ", keyFingerprint: " + fingerprint() + "}\n" + more);
}

void ProgramHost::program(const std::string& path,
                          const std::string& script) const {
  const std::string layer = "layer" + path.substr(path.find('/'));
  tree_.file(layer, "#!/bin/sh\nset -e\n" + script);
  fs::permissions(tree_.path(layer), static_cast<fs::perms>(0755));
}

ProgramHost::Killer::Killer(const ProgramHost& host, const std::string& path,
                            const std::string& words)
    : place_(host.tree_.path("layer" + path.substr(path.find('/')))) {
  if (fs::exists(place_)) {
    set_aside_ = host.tree_.path("var/set-aside");
    fs::rename(place_, set_aside_);
  } else {
    copy("/" + path, host.tree_.path("var/own"));
  }
  const std::string real = set_aside_.empty() ? "/var/own" : "/var/set-aside";
  const std::string pattern = words.empty() ? "*" : "*\" " + words + " \"*";
  host.program(path, "case \" $* \" in\n" + pattern +
                         ") kill -KILL $PPID; exit 1 ;;\nesac\nexec " + real +
                         " \"$@\"\n");
}

ProgramHost::Killer::~Killer() {
  std::error_code ignored;
  fs::remove(place_, ignored);
  if (!set_aside_.empty()) fs::rename(set_aside_, place_, ignored);
}

host::Completed ProgramHost::in_it(
    const std::vector<std::string>& words) const {
  std::vector<std::string> all = {tree_.path()};
  all.insert(all.end(), words.begin(), words.end());
  // Not as the first process of its namespace, which nobody in it can kill.
  const std::string repositories =
      is_offline_ ? tree_.path("nothing") : stubs();
  const std::string script = "STUBS=" + repositories + "\n" + kMounts +
                             "/usr/sbin/chroot $T \"$@\" || exit $?\nexit 0\n";
  const auto done = host::SystemCommandRunner().run(shell(script, all));
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

host::Completed ProgramHost::run(const std::vector<std::string>& words) const {
  std::vector<std::string> all = {"/opt/gpunode"};
  all.insert(all.end(), words.begin(), words.end());
  return in_it(all);
}

bool ProgramHost::is_by_the_way(const std::string& path) const {
  // dnf keeps a record of a stream that is reset, and Python compiles.
  const bool is_blank_stream =
      path.starts_with("/etc/dnf/modules.d/") &&
      text(path).find("\nstream=\n") != std::string::npos;
  return is_blank_stream || path.find("__pycache__") != std::string::npos;
}

std::map<std::string, std::string> ProgramHost::files() const {
  std::map<std::string, std::string> seen;
  for (const char* place : {"etc", "layer"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(tree_.path(place))) {
      const auto status = entry.symlink_status();
      const std::string path =
          entry.path().string().substr(tree_.path().size());
      if (!fs::is_regular_file(status) || is_by_the_way(path)) continue;
      seen[path] = std::to_string(static_cast<unsigned>(status.permissions())) +
                   " " + content_of(entry.path());
    }
  }
  return seen;
}

std::string ProgramHost::packages() const {
  if (tool_ == Tool::kApt) {
    return in_it({"/usr/bin/dpkg-query", "-W", "-f",
                  "${Package} ${Version} ${Status}\n"})
        .out;
  }
  return in_it({"/bin/sh", "-c", "rpm -qa | sort"}).out;
}

std::string ProgramHost::text(const std::string& path) const {
  const auto read = tree_.root().read_file(path);
  return read ? *read : "(absent)";
}

}  // namespace gpunode::packages
