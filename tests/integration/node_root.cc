#include "tests/integration/node_root.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include <gtest/gtest.h>

namespace gpunode::integration {
namespace {

// A sanitizer looks for leaks by /proc, which is a double here.
constexpr const char* kRun = R"(set -e
T=$1; EMULATOR=$2; shift 2
export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
mount -t proc proc "$T/realproc"
)";

// What runs the program where this machine's processor cannot: one static file.
constexpr std::string_view kEmulator = GPUNODE_EMULATOR;
constexpr const char* kEmulatorHere = "/opt/emulator";

host::Command shell(std::string script, std::vector<std::string> words) {
  host::Command command;
  command.argv = {"/usr/bin/unshare", "-m", "-p", "-f", "--", "/bin/sh", "-c",
                  std::move(script),  "sh"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.timeout = std::chrono::seconds(60);
  return command;
}

void take_file(const host::HostTree& tree, const std::string& path) {
  const std::filesystem::path to = tree.path(path.substr(1));
  std::filesystem::create_directories(to.parent_path());
  std::filesystem::copy_file(path, to,
                             std::filesystem::copy_options::skip_existing);
}

/// What the program is linked with; nothing if it is static, as gpunode is but
/// under a sanitizer.
void take_libraries(const host::HostTree& tree, const std::string& program) {
  host::SystemCommandRunner runner;
  host::Command ldd;
  ldd.argv = {"/usr/bin/ldd", program};
  const auto listed = runner.output(ldd);
  ASSERT_TRUE(listed) << listed.error().message();
  for (std::size_t at = listed->find('/'); at != std::string::npos;
       at = listed->find('/', at)) {
    const std::size_t end = listed->find(' ', at);
    take_file(tree, listed->substr(at, end - at));
    at = end;
  }
}

}  // namespace

NodeRoot::NodeRoot() {
  tree_.file("etc/os-release",
             "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n");
  tree_.file("proc/sys/kernel/osrelease", "6.1.0-25-amd64\n");
  tree_.file("proc/sys/kernel/arch", "x86_64\n");
  tree_.file("proc/sys/kernel/random/boot_id",
             "11111111-2222-3333-4444-555555555555\n");
  for (const char* name :
       {"net/bridge/bridge-nf-call-iptables",
        "net/bridge/bridge-nf-call-ip6tables", "net/ipv4/ip_forward",
        "fs/inotify/max_user_instances", "fs/inotify/max_user_watches"}) {
    tree_.file(std::string("proc/sys/") + name, "0\n");
  }
  tree_.file("proc/modules",
             "overlay 1 0 - Live 0x0\nbr_netfilter 1 0 - Live 0x0\n");
  tree_.file("proc/swaps", "Filename Type Size Used Priority\n");
  tree_.file("proc/meminfo", "MemTotal: 8000000 kB\n");
  tree_.file("proc/cmdline", "\n");
  tree_.link("proc/self", "/realproc/self");
  tree_.directory("realproc");
  tree_.directory("run");
  tree_.directory("var/lib");
  tree_.directory("usr");
  program("usr/bin/dpkg-query",
          R"(for name in conntrack ethtool iproute2 socat xfsprogs; do
  printf '%s\tall\t1\tinstall\tok\tinstalled\t1\n' $name
done
)");
  take_file(tree_, "/bin/sh");
  take_libraries(tree_, "/bin/sh");
  tree_.directory("opt");
  std::filesystem::copy_file(GPUNODE, tree_.path("opt/gpunode"));
  if (kEmulator.empty()) {
    take_libraries(tree_, GPUNODE);
  } else {
    std::filesystem::copy_file(kEmulator, tree_.path("opt/emulator"));
  }
  spec("spec: {host: {swap: keep, timeSync: keep}, check: {interval: off}}\n");
}

std::string NodeRoot::obstacle() {
  if (::geteuid() != 0) return "needs root";
  host::SystemCommandRunner runner;
  const auto can = runner.run(shell("mount -t tmpfs none /mnt", {}));
  if (!can || can->status != 0) return "needs mount and pid namespaces";
  return "";
}

void NodeRoot::spec(const std::string& yaml) {
  tree_.file("etc/gpunode/node.yaml",
             "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\n" + yaml);
}

void NodeRoot::program(const std::string& path, const std::string& script) {
  tree_.file(path, "#!/bin/sh\n" + script);
  std::filesystem::permissions(tree_.path(path),
                               std::filesystem::perms::owner_all);
}

host::Command NodeRoot::command(const std::vector<std::string>& words,
                                const std::string& before) const {
  std::vector<std::string> all = {tree_.path(),
                                  kEmulator.empty() ? "" : kEmulatorHere};
  all.insert(all.end(), words.begin(), words.end());
  return shell(
      kRun + before +
          "\nexec /usr/sbin/chroot \"$T\" $EMULATOR /opt/gpunode \"$@\"\n",
      all);
}

host::Completed NodeRoot::run(const std::vector<std::string>& words,
                              const std::string& before) const {
  host::SystemCommandRunner runner;
  const auto done = runner.run(command(words, before));
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : host::Completed{-1, "", ""};
}

std::map<std::string, std::string> NodeRoot::digest() const {
  std::map<std::string, std::string> seen;
  namespace fs = std::filesystem;
  for (auto entry = fs::recursive_directory_iterator(tree_.path());
       entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string path = entry->path().string().substr(tree_.path().size());
    if (path == "/realproc" || path == "/var/lib/gpunode" || path == "/run" ||
        path == "/opt") {
      entry.disable_recursion_pending();
      continue;
    }
    const auto status = fs::symlink_status(entry->path());
    std::string& what = seen[path];
    what = std::to_string(static_cast<int>(status.type())) + " " +
           std::to_string(static_cast<unsigned>(status.permissions())) + " ";
    if (fs::is_symlink(status)) what += fs::read_symlink(entry->path());
    if (!fs::is_regular_file(status)) continue;
    std::ifstream in(entry->path(), std::ios::binary);
    what.append(std::istreambuf_iterator<char>(in), {});
  }
  return seen;
}

}  // namespace gpunode::integration
