#include "node/diagnose/support_bundle.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/core/utf8.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/facts/host_text.h"
#include "node/facts/tar.h"

namespace gpunode::diagnose {
namespace {

using text::json_string;
using Json = nlohmann::ordered_json;

/// Single files; those that are not there are passed over.
constexpr std::array<const char*, 18> kFiles = {
    "/etc/containerd/config.toml",
    "/etc/nvidia-container-runtime/config.toml",
    "/etc/crio/crio.conf",
    "/etc/docker/daemon.json",
    "/etc/gpunode/node.yaml",
    "/etc/fstab",
    "/etc/default/grub",
    "/var/lib/gpunode/journal.jsonl",
    "/var/lib/gpunode/pending",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
    "/var/log/nvidia-installer.log",
    "/var/log/fabricmanager.log",
    "/proc/driver/nvidia/version",
    "/proc/driver/nvidia/params",
    "/proc/cmdline",
    "/proc/mounts"};

struct Directory {
  const char* path;
  const char* ending;
};

constexpr std::array<Directory, 10> kDirectories = {{
    {"/etc/gpunode/conf.d", ".yaml"},
    {"/etc/containerd/conf.d", ".toml"},
    {"/etc/crio/crio.conf.d", ".conf"},
    {"/etc/modprobe.d", ".conf"},
    {"/etc/modules-load.d", ".conf"},
    {"/etc/cdi", ""},
    {"/var/run/cdi", ""},
    {"/run/nvidia/validations", ""},
    {"/etc/apt/sources.list.d", ""},
    {"/etc/yum.repos.d", ".repo"},
}};

/// The log of each build that DKMS made of NVIDIA's modules.
void add_build_logs(const host::HostRoot& host,
                    std::vector<std::string>& files) {
  constexpr const char* kTree = "/var/lib/dkms/nvidia";
  const auto versions = host.list_directory(kTree);
  if (!versions) return;
  for (const std::string& version : *versions) {
    for (const char* log : {"build/make.log", "log/make.log"}) {
      const std::string path = fmt::format("{}/{}/{}", kTree, version, log);
      if (host.exists(path)) files.push_back(path);
    }
  }
}

/// Every text in `value`: what is escaped in JSON would not be known for what
/// it is.
void scrub_texts(Json& value, const facts::Scrubber& scrubber) {
  if (value.is_string()) {
    value = scrubber.scrub(value.get_ref<const std::string&>());
  }
  if (!value.is_structured()) return;
  for (Json& inner : value) scrub_texts(inner, scrubber);
}

bool is_json(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".jsonl") ||
         name.ends_with("/pending") || name.ends_with("_checkpoint");
}

/// Of JSON, one object on each line, or on all of them.
std::string scrubbed_json(std::string_view content,
                          const facts::Scrubber& scrubber) {
  const auto scrubbed = [&](std::string_view text) {
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return std::string(text);
    scrub_texts(json, scrubber);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  if (Json::accept(content)) return scrubbed(content) + "\n";
  std::string all;
  while (!content.empty()) {
    all += scrubbed(facts::take_line(content)) + "\n";
  }
  return all;
}

std::string manifest_of(const std::vector<SupportPart>& parts,
                        std::string_view version) {
  std::vector<std::string> entries;
  entries.reserve(parts.size());
  for (const SupportPart& part : parts) {
    entries.push_back(
        text::json_object({{"name", json_string(part.name)},
                           {"source", json_string(part.source)},
                           {"bytes", std::to_string(part.content.size())},
                           {"problem", json_string(part.problem)}}));
  }
  return text::json_object({{"version", "1"},
                            {"gpunode", json_string(version)},
                            {"parts", text::json_array(entries)}}) +
         "\n";
}

/// The end of a long text, from the beginning of a line.
void shorten(SupportPart& part) {
  if (part.content.size() <= kSupportPartLimitBytes) return;
  const std::size_t cut = part.content.size() - kSupportPartLimitBytes;
  const std::size_t line = part.content.find('\n', cut);
  part.content.erase(0, line == std::string::npos ? cut : line + 1);
  part.problem = "too long: its end";
}

}  // namespace

std::vector<SupportProgram> support_programs() {
  return {
      {"kernel-log",
       {"journalctl", "--dmesg", "--boot", "--no-pager", "--lines=5000"}},
      {"units-log",
       {"journalctl", "--boot", "--no-pager", "--lines=5000",
        "--unit=containerd.service", "--unit=kubelet.service",
        "--unit=crio.service", "--unit=docker.service", "--unit=gpunode*",
        "--unit=nvidia-*", "--unit=dkms.service"}},
      {"units", {"systemctl", "list-units", "--all", "--no-pager"}},
      {"nvidia-smi", {"nvidia-smi", "-q"}},
      {"nvidia-smi-topo", {"nvidia-smi", "topo", "-m"}},
      {"dkms", {"dkms", "status"}},
      {"lspci", {"lspci", "-nnk"}},
      {"containerd-config", {"containerd", "config", "dump"}},
      {"crictl-info", {"crictl", "info"}},
      {"crictl-ps", {"crictl", "ps", "--all"}},
      {"kubelet-version", {"kubelet", "--version"}},
      {"findmnt", {"findmnt", "--all"}},
      {"mokutil", {"mokutil", "--sb-state"}},
  };
}

std::vector<SupportProgram> support_reports(int level) {
  return {
      {"doctor", {"doctor", "--json"}},
      {"verify", {"verify", "--json", "--level", std::to_string(level)}},
      {"status", {"status", "--json"}},
      {"check", {"check", "--json", "--no-condition"}},
      {"facts", {"facts", "--json"}},
      {"plan", {"plan", "--json"}},
      {"version", {"version", "--json"}},
  };
}

std::vector<std::string> support_files(const host::HostRoot& host) {
  std::vector<std::string> files;
  for (const char* path : kFiles) {
    if (host.exists(path)) files.emplace_back(path);
  }
  for (const Directory& directory : kDirectories) {
    auto names = host.list_directory(directory.path);
    if (!names) continue;
    std::ranges::sort(*names);
    for (const std::string& name : *names) {
      if (!name.ends_with(directory.ending)) continue;
      files.push_back(fmt::format("{}/{}", directory.path, name));
    }
  }
  add_build_logs(host, files);
  return files;
}

void learn_machine(const host::HostRoot& host, facts::Scrubber& scrubber) {
  for (const char* path :
       {"/sys/class/dmi/id/product_serial", "/sys/class/dmi/id/product_uuid",
        "/sys/class/dmi/id/board_serial", "/sys/class/dmi/id/chassis_serial",
        "/etc/machine-id", "/sys/devices/virtual/dmi/id/product_serial"}) {
    scrubber.learn(facts::read_value(host, path));
  }
}

void learn_gpu_serials(std::string_view nvidia_smi, facts::Scrubber& scrubber) {
  while (!nvidia_smi.empty()) {
    const std::string_view line = facts::trimmed(facts::take_line(nvidia_smi));
    if (!line.starts_with("Serial Number")) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    scrubber.learn(facts::trimmed(line.substr(colon + 1)));
  }
}

Result<std::string> support_archive(std::vector<SupportPart> parts,
                                    const std::string& facts,
                                    std::string_view version,
                                    const facts::Scrubber& scrubber) {
  for (SupportPart& part : parts) {
    shorten(part);
    // Of another encoding's bytes no pattern would be sure.
    part.content = mended_utf8(part.content);
    if (is_json(part.name)) {
      part.content = scrubbed_json(part.content, scrubber);
    }
    part.content = scrubber.scrub(part.content);
    part.source = scrubber.scrub(mended_utf8(part.source));
    part.problem = scrubber.scrub(mended_utf8(part.problem));
  }
  std::vector<facts::TarMember> members;
  members.push_back({"manifest.json", manifest_of(parts, version)});
  if (!facts.empty()) members.push_back({"facts.tar", facts});
  for (SupportPart& part : parts) {
    // A name that no archive takes is in the manifest, with its reason.
    if (!part.is_there || !facts::is_tar_name(part.name)) continue;
    members.push_back({std::move(part.name), std::move(part.content)});
  }
  return facts::write_tar(members);
}

}  // namespace gpunode::diagnose
