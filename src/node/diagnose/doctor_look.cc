#include "node/diagnose/doctor_look.h"

#include <utility>

#include "gpu/procfs/kernel_module.h"
#include "node/driver/gpu_services.h"
#include "node/facts/host_text.h"
#include "node/facts/log_look.h"
#include "node/facts/observe.h"

namespace gpunode::diagnose {
namespace {

facts::Wanted doctor_wants() {
  facts::Wanted wanted = facts::usual_wants();
  wanted.driver = true;
  wanted.files.insert(
      {"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list",
       "/etc/apt/sources.list.d/*.sources", "/etc/yum.repos.d/*.repo",
       "/etc/zypp/repos.d/*.repo", "/etc/containerd/conf.d/*.toml"});
  for (const driver::GpuService& service : driver::gpu_services()) {
    wanted.units.emplace(service.unit);
  }
  wanted.packages.insert({"nvidia-fabricmanager", "nvidia-*", "kmod-nvidia-*",
                          "linux-modules-nvidia-*", "kernel-devel"});
  return wanted;
}

/// Nothing where it cannot be told, as in a bundle that never asked.
std::optional<bool> is_there(const host::HostRoot& host, const char* path) {
  const auto status = host.status(path);
  if (status) return true;
  if (status.error().code() == ErrorCode::kNotFound) return false;
  return std::nullopt;
}

void look_at_devices(const host::HostRoot& host, DoctorLook& look) {
  if (is_there(host, "/dev/nvidiactl").value_or(false)) {
    look.has_device_links = is_there(host, "/dev/char/195:255");
  }
  // Looked at and not read: they hold keys.
  look.is_joining =
      is_there(host, "/etc/kubernetes/bootstrap-kubelet.conf")
          .value_or(false) &&
      !is_there(host, "/etc/kubernetes/kubelet.conf").value_or(true);
  constexpr std::uint32_t kOthersMayWrite = 0002;
  for (const char* path :
       {"/usr/bin/runc", "/usr/sbin/runc", "/usr/local/sbin/runc",
        "/usr/bin/containerd", "/usr/bin/kubelet", "/usr/bin/nvidia-smi",
        "/usr/bin/nvidia-container-runtime"}) {
    const auto status = host.status(path);
    if (status && (status->mode & kOthersMayWrite) != 0) {
      look.writable_programs.emplace_back(path);
    }
  }
}

void judge_logs(const host::HostRoot& host, facts::LogFacts logs,
                DoctorLook& look) {
  look.kernel_log = read_kernel_log(logs.kernel);
  look.kernel_log_source = std::move(logs.kernel_source);
  for (facts::BuildLog& log : logs.builds) {
    FailedBuild build;
    build.verdict = read_build_log(log.text);
    build.path = std::move(log.path);
    build.version = std::move(log.version);
    build.has_module =
        !build.verdict.kernel.empty() &&
        !facts::nvidia_module_of(host, build.verdict.kernel).empty();
    look.builds.push_back(std::move(build));
  }
  for (const facts::LogFile& log : logs.packages) {
    for (PackageMark& mark : read_package_log(log.text)) {
      look.packages.push_back({log.path, std::move(mark)});
    }
  }
  for (std::string& gap : logs.gaps) look.gaps.push_back(std::move(gap));
}

std::string text_of(const facts::HostFacts& host, const char* path) {
  const auto found = host.files.find(path);
  if (found == host.files.end() || !found->second.content) return {};
  return std::string(facts::trimmed(*found->second.content));
}

}  // namespace

Result<DoctorLook> look_for_doctor(const host::HostRoot& host,
                                   host::CommandRunner& runner) {
  DoctorLook look;
  TRY(look.host, facts::observe(host, runner, doctor_wants()));
  look.gaps = look.host.gaps;
  look.kernels = facts::look_at_kernel_modules(host);
  judge_logs(host, facts::read_logs(host, runner), look);
  look_at_devices(host, look);
  return look;
}

RunningDriver running_driver_of(const facts::HostFacts& host) {
  RunningDriver driver;
  driver.version = host.driver.loaded_version;
  driver.library = host.driver.library;
  if (!driver.version.empty()) driver.is_open = host.driver.is_loaded_open;
  if (driver.version.empty()) {
    driver.version = text_of(host, "/sys/module/nvidia/version");
  }
  const auto told =
      procfs::parse_kernel_module(text_of(host, "/proc/driver/nvidia/version"));
  if (told) {
    if (driver.version.empty()) driver.version = told->version;
    driver.is_open = told->is_open;
  }
  return driver;
}

std::string install_command(const DoctorLook& look,
                            const std::string& package) {
  using distribution::Manager;
  const facts::OsRelease& os = look.host.os;
  const auto row = look.distributions.find(os.id, os.version_id);
  const std::optional<Manager> manager =
      row ? (*row)->manager : distribution::manager_of(os.id, os.id_like);
  if (!manager) return "install " + package;
  switch (*manager) {
    case Manager::kApt:
      return "apt-get install " + package;
    case Manager::kZypper:
      return "zypper install " + package;
    case Manager::kYum:
      return "yum install " + package;
    case Manager::kDnf:
    case Manager::kDnf5:
      break;
  }
  return "dnf install " + package;
}

}  // namespace gpunode::diagnose
