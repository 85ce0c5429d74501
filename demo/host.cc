#include "demo/host.h"

#include <fstream>
#include <system_error>

namespace gpunode::demo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSpecPath = "etc/gpunode/node.yaml";

Result<void> failed(const std::string& attempted, std::error_code why) {
  return Error(ErrorCode::kUnavailable, attempted + ": " + why.message());
}

Result<void> lay_file(const fs::path& path, std::string_view content) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  if (!out) {
    return Error(ErrorCode::kUnavailable, "write " + path.string());
  }
  return {};
}

}  // namespace

Result<void> lay_recorded_host(const Programs& programs, const fs::path& root,
                               std::string_view spec) {
  std::error_code error;
  fs::copy(programs.recorded_host, root,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks,
           error);
  if (error) return failed("copy " + programs.recorded_host, error);
  // Recorded hosts have no name; a Node has one.
  TRY_VOID(lay_file(root / "proc/sys/kernel/hostname", "g5-worker-1\n"));
  TRY_VOID(lay_file(root / kSpecPath, spec));
  return {};
}

Result<void> lay_small_host(const Programs& programs, const fs::path& root,
                            std::string_view spec) {
  struct File {
    const char* path;
    const char* content;
  };
  for (const File& file : {
           File{"etc/os-release",
                "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12, a few "
                "files of it\"\n"},
           File{"proc/sys/kernel/osrelease", "6.1.0-25-amd64\n"},
           File{"proc/sys/kernel/arch", "x86_64\n"},
           File{"proc/sys/kernel/random/boot_id",
                "11111111-2222-3333-4444-555555555555\n"},
           File{"proc/sys/net/bridge/bridge-nf-call-iptables", "0\n"},
           File{"proc/sys/net/bridge/bridge-nf-call-ip6tables", "0\n"},
           File{"proc/sys/net/ipv4/ip_forward", "0\n"},
           File{"proc/sys/fs/inotify/max_user_instances", "128\n"},
           File{"proc/sys/fs/inotify/max_user_watches", "8192\n"},
           File{"proc/modules",
                "overlay 1 0 - Live 0x0\nbr_netfilter 1 0 - Live 0x0\n"},
           File{"proc/swaps", "Filename Type Size Used Priority\n"},
           File{"proc/meminfo", "MemTotal: 65536000 kB\n"},
           File{"proc/cmdline", "\n"},
       }) {
    TRY_VOID(lay_file(root / file.path, file.content));
  }
  std::error_code error;
  fs::create_symlink("/realproc/self", root / "proc/self", error);
  if (error) return failed("link proc/self", error);
  for (const char* name :
       {"realproc", "run", "sys/block", "var/lib", "usr/bin"}) {
    fs::create_directories(root / name, error);
  }
  fs::copy_file(programs.gpunode, root / "usr/bin/gpunode", error);
  if (error) return failed("copy " + programs.gpunode, error);
  return lay_file(root / kSpecPath, spec);
}

Result<host::Completed> run_on_small_host(const fs::path& root,
                                          const std::vector<std::string>& words,
                                          host::CommandRunner& runner) {
  host::Command command;
  command.argv = {"/usr/bin/unshare",
                  "-m",
                  "-p",
                  "-f",
                  "--",
                  "/bin/sh",
                  "-ec",
                  "mount -t proc proc \"$1/realproc\"\n"
                  "root=$1; shift\n"
                  "exec /usr/sbin/chroot \"$root\" /usr/bin/gpunode \"$@\"\n",
                  "sh",
                  root.string()};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  return runner.run(command);
}

}  // namespace gpunode::demo
