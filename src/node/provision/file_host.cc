#include "node/provision/file_host.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "node/facts/observe.h"
#include "node/provision/storage_choice.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

namespace fs = std::filesystem;
using host::Completed;

constexpr const char* kMachineId = "0123456789abcdef0123456789abcdef\n";
constexpr const char* kUnits = "etc/systemd/system/";
constexpr const char* kPackagedUnits = "usr/lib/systemd/system/";
/// Of each unit that runs: what it read when it was started.
constexpr const char* kRunning = "run/double/running/";
/// Of each unit: what systemd read of it last.
constexpr const char* kLoaded = "run/double/loaded/";
constexpr std::uint64_t kDiskBytes = 600'000'000'000;

/// A disk with the file system that gpunode would have made for an entry.
struct Disk {
  const char* entry;
  const char* name;
  const char* serial;
  const char* mount_point;
  std::uint32_t minor;
};
constexpr std::array<Disk, 2> kDisks = {
    {{"scratch", "nvme1n1", "S1", "/data/scratch", 1},
     {"models", "nvme2n1", "S2", "/srv/models", 2}}};

/// What services read when they start, beside their units.
const std::map<std::string, std::vector<std::string>>& read_at_start() {
  static const std::map<std::string, std::vector<std::string>> kRead = {
      {"containerd.service",
       {"etc/containerd/config.toml", "etc/gpunode/proxy.env"}},
      {"gpunode-agent.service",
       {"etc/gpunode/agent.yaml", "etc/gpunode/agent.env"}},
  };
  return kRead;
}

/// mkswap's first page: a UUID at 1036 and the mark at its end.
std::string swap_space(char name) {
  std::string page(4096, '\0');
  page.replace(1024 + 12, 16, std::string(16, name));
  page.replace(page.size() - 10, 10, "SWAPSPACE2");
  return page;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory, none)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::string content_of(const fs::path& path) {
  if (!fs::is_regular_file(path)) return "";
  std::string content(fs::file_size(path), '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(in) << path;
  return content;
}

}  // namespace

FileHost::FileHost() {
  lay_out();
}

FileHost::FileHost(const FileHost& other) {
  fs::copy(other.tree_.path(), tree_.path(),
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  for (const auto& entry :
       fs::recursive_directory_iterator(other.tree_.path())) {
    const std::string to =
        tree_.path() + entry.path().string().substr(other.tree_.path().size());
    struct stat status {};
    EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0) << entry.path();
    EXPECT_EQ(::lchown(to.c_str(), status.st_uid, status.st_gid), 0) << to;
    if (S_ISLNK(status.st_mode)) continue;
    EXPECT_EQ(::chmod(to.c_str(), status.st_mode & 07777), 0) << to;
  }
}

void FileHost::lay_out() {
  for (const auto& [name, content] : std::map<std::string, std::string>{
           {"etc/os-release",
            "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_"
            "NAME=\"Debian 12\"\n"},
           {"etc/machine-id", kMachineId},
           {"etc/apt/sources.list",
            "# mine\ndeb http://deb.debian.org/debian bookworm main\n"},
           {"etc/fstab",
            "# mine\nUUID=1-2 / ext4 defaults 0 1\n"
            "/swapfile none swap sw 0 0\n"},
           {"etc/containerd/config.toml",
            "# mine\nversion = 2\ndisabled_plugins = [\"cri\"]\n"},
           {"proc/sys/kernel/osrelease", "6.1.0-25-amd64\n"},
           {"proc/sys/kernel/arch", "x86_64\n"},
           {"proc/sys/kernel/random/boot_id",
            "11111111-2222-3333-4444-555555555555\n"},
           {"proc/sys/net/ipv4/ip_forward", "0\n"},
           {"proc/sys/fs/inotify/max_user_instances", "1024\n"},
           {"proc/sys/fs/inotify/max_user_watches", "1048576\n"},
           {"proc/modules", "overlay 1 0 - Live 0x0\n"},
           {"proc/swaps",
            "Filename Type Size Used Priority\n"
            "/dev/zram0 partition 1048572 0 100\n"
            "/swapfile file 1048572 0 -2\n"},
           {"proc/meminfo", "MemTotal: 8000000 kB\n"},
           {"proc/cmdline", "\n"},
           {"proc/1/comm", "systemd\n"},
           {"proc/self/mountinfo", ""},
           {"swapfile", swap_space('a')},
           {"dev/zram0", swap_space('z')},
           {"boot/vmlinuz-6.1.0-25-amd64", ""},
           {"boot/initrd.img-6.1.0-25-amd64", ""},
           {"lib/modules/6.1.0-25-amd64/modules.builtin", ""},
           {"usr/sbin/update-initramfs", ""},
           {"usr/bin/containerd", ""},
           {"usr/bin/gpunode", ""},
           {"usr/lib/gpunode/gpunode-runtime", "the runtime\n"},
           {"var/lib/dpkg/status",
            "Package: containerd\nStatus: install ok installed\n"
            "Version: 1.6.20~ds1-1\n\n"},
       }) {
    tree_.file(name, content);
  }
  for (const char* name : {"run/systemd/system", "data/scratch", "srv/models",
                           "sys/block", "var/lib/gpunode"}) {
    tree_.directory(name);
  }
  for (const char* unit :
       {"containerd.service", "chrony.service", "gpunode-agent.service"}) {
    tree_.file(kPackagedUnits + std::string(unit),
               "[Service]\n[Install]\nWantedBy=multi-user.target\n");
  }
  tree_.file(kPackagedUnits + std::string("dev-zram0.swap"), "[Swap]\n");
  enable("containerd.service");
  reload();
  start("containerd.service");
  // Somebody's, each in another way.
  own("etc/fstab", 0640, 6);
  own("etc/containerd/config.toml", 0600, 0);
  own("etc/apt/sources.list", 0664, 4);
}

void FileHost::own(const std::string& name, std::uint32_t mode,
                   std::uint32_t group) const {
  EXPECT_EQ(::chmod(tree_.path(name).c_str(), mode), 0);
  if (::geteuid() != 0) return;
  EXPECT_EQ(::chown(tree_.path(name).c_str(), 0, group), 0);
}

std::string FileHost::text(const std::string& name) const {
  return content_of(tree_.path(name));
}

bool FileHost::is_there(const std::string& name) const {
  std::error_code none;
  return fs::exists(fs::symlink_status(tree_.path(name), none));
}

Result<facts::HostFacts> FileHost::observe(const facts::Wanted& wanted) {
  TRY(facts::HostFacts seen, facts::observe(root(), *this, wanted));
  for (auto& [name, unit] : seen.units) {
    unit.active_state = is_there(kRunning + name) ? "active" : "inactive";
    if (is_of_fstab(name)) unit.load_state = "loaded";
  }
  seen.gpus.resize(1);
  seen.gpus.front().address = "0000:00:1e.0";
  seen.gpus.front().device_id = 0x2237;
  seen.gpus.front().product = "NVIDIA A10G";
  seen.storage = {};
  seen.storage.is_known = true;
  seen.storage.root_is_known = true;
  for (const Disk& known : kDisks) {
    facts::DiskFacts disk;
    disk.device.name = known.name;
    disk.device.path = fmt::format("/dev/{}", known.name);
    disk.device.subsystem = host::BlockSubsystem::kNvme;
    disk.device.model = "Amazon EC2 NVMe Instance Storage";
    disk.device.serial = known.serial;
    disk.device.size_bytes = kDiskBytes;
    disk.device.number = {259, known.minor};
    disk.filesystem = "xfs";
    disk.label = fmt::format("gn-{}", known.entry);
    disk.uuid = storage_uuid(kMachineId, known.entry);
    disk.entry_types = true;
    const std::string unit = unit_name(known.mount_point, "mount");
    if (is_there(kRunning + unit)) {
      host::Mount mount;
      mount.device = disk.device.number;
      mount.root = "/";
      mount.mount_point = known.mount_point;
      mount.type = disk.filesystem;
      mount.source = disk.device.path;
      seen.storage.mounts.push_back(mount);
    }
    seen.storage.disks.push_back(std::move(disk));
  }
  return seen;
}

Result<Completed> FileHost::run(const host::Command& command) {
  const auto& argv = command.argv;
  if (argv[0] == "/usr/bin/systemctl" && argv[1] == "show") {
    return show(argv.back());
  }
  if (argv[0] == "/usr/bin/findmnt") {
    // One that would not boot: a line without its six words.
    std::istringstream lines(content_of(argv.back()));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      const auto count =
          std::distance(std::istream_iterator<std::string>(words),
                        std::istream_iterator<std::string>());
      if (!line.starts_with('#') && count != 6) return Completed{1, line, ""};
    }
    return Completed{};
  }
  if (argv[0] == "/usr/bin/containerd") return Completed{};
  on_change();
  return change(argv);
}

Result<Completed> FileHost::change(const std::vector<std::string>& argv) {
  if (argv[0] == "/usr/bin/systemctl") return systemctl(argv);
  if (argv[0] == "/sbin/modprobe") return modprobe(argv);
  if (argv[0] == "/sbin/swapoff" || argv[0] == "/sbin/swapon") {
    return swap(argv);
  }
  if (argv[0] == "/usr/sbin/update-initramfs") {
    tree_.file("boot/initrd.img-" + argv.back(),
               text("etc/modprobe.d/gpunode-nouveau.conf"));
    return Completed{};
  }
  if (argv[0] == "/usr/bin/gpunode" && argv.back() == "--create-nodes") {
    tree_.file("dev/char/195:255", "");
    return Completed{};
  }
  std::string words;
  for (const std::string& word : argv) words += word + " ";
  ADD_FAILURE() << "nobody knows: " << words;
  return Error(ErrorCode::kNotFound, words);
}

Result<Completed> FileHost::modprobe(const std::vector<std::string>& argv) {
  const bool is_loaded = argv[1] != "-r";
  const std::string line = argv.back() + " 1 0 - Live 0x0\n";
  std::set<std::string> modules;
  std::istringstream lines(text("proc/modules"));
  for (std::string one; std::getline(lines, one);) modules.insert(one + "\n");
  if (is_loaded) {
    modules.insert(line);
  } else {
    modules.erase(line);
  }
  std::string all;
  for (const std::string& one : modules) all += one;
  tree_.file("proc/modules", all);
  if (argv.back() != "br_netfilter") return Completed{};
  // Its settings come and go with it.
  if (!is_loaded) tree_.remove("proc/sys/net/bridge");
  for (const char* name : {"iptables", "ip6tables"}) {
    if (!is_loaded) break;
    tree_.file(fmt::format("proc/sys/net/bridge/bridge-nf-call-{}", name),
               "0\n");
  }
  return Completed{};
}

Result<Completed> FileHost::swap(const std::vector<std::string>& argv) {
  const std::string& path = argv.back();
  std::istringstream lines(text("proc/swaps"));
  std::string head;
  std::getline(lines, head);
  std::set<std::string> swaps;
  for (std::string one; std::getline(lines, one);) {
    if (!one.starts_with(path + " ")) swaps.insert(one + "\n");
  }
  if (argv[0] == "/sbin/swapon") {
    swaps.insert(fmt::format("{} {} 1048572 0 {}\n", path,
                             path.starts_with("/dev/") ? "partition" : "file",
                             argv.size() > 2 ? argv[2] : "-2"));
  }
  std::string all = head + "\n";
  for (const std::string& one : swaps) all += one;
  tree_.file("proc/swaps", all);
  return Completed{};
}

std::string FileHost::unit_file(const std::string& unit) const {
  for (const char* directory : {kUnits, kPackagedUnits}) {
    if (is_there(directory + unit)) return directory + unit;
  }
  return "";
}

bool FileHost::is_of_fstab(const std::string& unit) const {
  return std::ranges::any_of(kDisks, [&](const Disk& disk) {
    return unit == unit_name(disk.mount_point, "mount") &&
           text(kLoaded + std::string("fstab")).find(disk.mount_point) !=
               std::string::npos;
  });
}

std::string FileHost::unit_text(const std::string& unit) const {
  std::string all = text(unit_file(unit));
  const std::string drop_ins = kUnits + unit + ".d/";
  for (const std::string& name : names_in(tree_.path(drop_ins))) {
    all += text(drop_ins + name);
  }
  return all;
}

/// All units there are, anew; what of them has no unit file counts by fstab.
void FileHost::reload() const {
  tree_.remove(kLoaded);
  for (const char* directory : {kUnits, kPackagedUnits}) {
    for (std::string unit : names_in(tree_.path(directory))) {
      if (unit.ends_with(".wants")) continue;
      if (unit.ends_with(".d")) unit.resize(unit.size() - 2);
      tree_.file(kLoaded + unit, unit_text(unit));
    }
  }
  tree_.file(kLoaded + std::string("fstab"), text("etc/fstab"));
}

Completed FileHost::show(const std::string& unit) const {
  const std::string file = unit_file(unit);
  const bool is_masked = fs::is_symlink(tree_.path(kUnits + unit));
  bool is_enabled = false;
  for (const std::string& name : names_in(tree_.path(kUnits))) {
    is_enabled = is_enabled || (name.ends_with(".wants") &&
                                is_there(kUnits + name + "/" + unit));
  }
  const bool is_stale =
      is_there(kLoaded + unit) && text(kLoaded + unit) != unit_text(unit);
  const char* load = is_masked                            ? "masked"
                     : file.empty() && !is_of_fstab(unit) ? "not-found"
                                                          : "loaded";
  return {0,
          fmt::format("LoadState={}\nUnitFileState={}\nActiveState={}\n"
                      "NeedDaemonReload={}\n",
                      load, is_enabled ? "enabled" : "disabled",
                      is_there(kRunning + unit) ? "active" : "inactive",
                      is_stale ? "yes" : "no"),
          ""};
}

void FileHost::enable(const std::string& unit) const {
  const std::string file = unit_file(unit);
  std::istringstream lines(text(file));
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kKey = "WantedBy=";
    if (!line.starts_with(kKey)) continue;
    const std::string link =
        fmt::format("{}{}.wants/{}", kUnits, line.substr(kKey.size()), unit);
    if (!is_there(link)) tree_.link(link, "/" + file);
  }
}

void FileHost::disable(const std::string& unit) const {
  for (const std::string& name : names_in(tree_.path(kUnits))) {
    if (!name.ends_with(".wants")) continue;
    const std::string directory = tree_.path(kUnits + name);
    fs::remove(directory + "/" + unit);
    if (names_in(directory).empty()) fs::remove(directory);
  }
}

void FileHost::start(const std::string& unit) const {
  std::string read = text(kLoaded + unit);
  const auto files = read_at_start().find(unit);
  if (files != read_at_start().end()) {
    for (const std::string& name : files->second) read += text(name);
  }
  tree_.file(kRunning + unit, read);
}

Result<Completed> FileHost::systemctl(const std::vector<std::string>& argv) {
  const std::string& verb = argv[1];
  const std::string& unit = argv.back();
  if (verb == "enable") enable(unit);
  if (verb == "disable") disable(unit);
  if (verb == "mask") tree_.link(kUnits + unit, "/dev/null");
  if (verb == "unmask") tree_.remove(kUnits + unit);
  if (verb == "stop") tree_.remove(kRunning + unit);
  // systemctl(1): the four end with a reload of their own. A unit that is new
  // is read when it is asked for.
  const bool changes_files = verb == "enable" || verb == "disable" ||
                             verb == "mask" || verb == "unmask";
  if (verb == "daemon-reload" || changes_files) reload();
  if (verb == "start" || verb == "restart") {
    if (!is_there(kLoaded + unit)) tree_.file(kLoaded + unit, unit_text(unit));
    start(unit);
  }
  return Completed{};
}

std::map<std::string, std::string> FileHost::snapshot() const {
  std::map<std::string, std::string> seen;
  for (auto entry = fs::recursive_directory_iterator(tree_.path());
       entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string path = entry->path().string().substr(tree_.path().size());
    if (path == "/var/lib/gpunode/backup") {
      entry.disable_recursion_pending();
      continue;
    }
    if (path == "/var/lib/gpunode/journal.jsonl") continue;
    struct stat status {};
    EXPECT_EQ(::lstat(entry->path().c_str(), &status), 0) << path;
    std::string& what = seen[path];
    what = fmt::format("{:o} {}:{} ", status.st_mode, status.st_uid,
                       status.st_gid);
    if (S_ISLNK(status.st_mode)) {
      what += fs::read_symlink(entry->path()).string();
    } else if (S_ISREG(status.st_mode)) {
      what += content_of(entry->path());
    }
  }
  return seen;
}

}  // namespace gpunode::provision
