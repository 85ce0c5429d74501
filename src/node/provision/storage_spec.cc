#include "node/provision/storage_spec.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

constexpr std::size_t kXfsLabelLimit = 12;
constexpr std::size_t kExtLabelLimit = 16;
constexpr std::size_t kIdLimit = 20;

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// An absolute path that means what it says: no "..", no "//", no white space
/// or characters that unit files and fstab would read otherwise.
bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() < 2 || path.ends_with('/')) {
    return false;
  }
  const bool plain = std::ranges::all_of(path, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '/' || c == '-' || c == '_' ||
           c == '.' || c == '+' || c == '@';
  });
  return plain && path.find("//") == std::string_view::npos &&
         (std::string(path) + "/").find("/../") == std::string::npos &&
         (std::string(path) + "/").find("/./") == std::string::npos;
}

/// Where a mount would take the host's own files away.
bool is_system_path(std::string_view path) {
  constexpr std::array<std::string_view, 17> kSystem = {
      "/",    "/bin",  "/boot", "/dev",     "/etc",    "/home",
      "/lib", "/proc", "/root", "/run",     "/sbin",   "/sys",
      "/tmp", "/usr",  "/var",  "/var/lib", "/var/log"};
  constexpr std::array<std::string_view, 7> kBelow = {
      "/boot/", "/dev/", "/etc/", "/proc/", "/sys/", "/usr/", "/run/"};
  return std::ranges::find(kSystem, path) != kSystem.end() ||
         std::ranges::any_of(kBelow, [&](std::string_view prefix) {
           return path.starts_with(prefix);
         });
}

void read_select(SpecSection section, StorageSpec& storage) {
  facts::DiskFilter& select = storage.select;
  section.choice<bool>("class", select.cloud_ephemeral,
                       {{"cloud-ephemeral", true}});
  section.text("model", select.model);
  section.texts("serials", select.serials);
  section.text("path", select.path);
  section.size("minSize", select.min_size_bytes);
  section.size("maxSize", select.max_size_bytes);
  section.number("count", storage.count, 1, 64);
  section.finish();
}

void read_filesystem(SpecSection section, StorageSpec& storage) {
  section.choice<std::string>("type", storage.type,
                              {{"xfs", "xfs"}, {"ext4", "ext4"}});
  section.text("label", storage.label);
  section.texts("options", storage.options);
  for (const std::string& option : storage.options) {
    const bool plain =
        !option.empty() && std::ranges::all_of(option, [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c >= '0' && c <= '9') || c == '=' || c == '-' || c == '_' ||
                 c == '.' || c == ':';
        });
    if (!plain) {
      section.complain("options", fmt::format("\"{}\" is no mount option; one "
                                              "item of the list is one option",
                                              option));
    }
  }
  section.finish();
}

void read_mount(SpecSection section, StorageSpec& storage) {
  section.text("path", storage.path);
  section.choice<MountVia>(
      "via", storage.via,
      {{"unit", MountVia::kUnit}, {"fstab", MountVia::kFstab}});
  section.finish();
}

void read_wipe(SpecSection section, StorageSpec& storage) {
  section.texts("confirm", storage.wipe_serials);
  section.finish();
}

/// Which units live on a path, unless the file names them.
std::vector<std::string> usual_users(std::string_view path) {
  if (path == "/var/lib/containerd") {
    return {"containerd.service", "kubelet.service"};
  }
  if (path == "/var/lib/docker") return {"docker.service", "kubelet.service"};
  if (path == "/var/lib/containers") return {"crio.service", "kubelet.service"};
  if (path == "/var/lib/kubelet" || path == "/var/log/pods") {
    return {"kubelet.service"};
  }
  return {};
}

}  // namespace

StorageSpec read_storage(SpecSection section) {
  StorageSpec storage;
  section.text("id", storage.id);
  section.section("select", [&](SpecSection inner) {
    read_select(std::move(inner), storage);
  });
  section.choice<std::string>(
      "layout", storage.layout,
      {{"single", "single"}, {"raid0", "raid0"}, {"lvm", "lvm"}});
  section.section("filesystem", [&](SpecSection inner) {
    read_filesystem(std::move(inner), storage);
  });
  section.section("mount", [&](SpecSection inner) {
    read_mount(std::move(inner), storage);
  });
  section.choice<ExistingData>("existingData", storage.existing_data,
                               {{"refuse", ExistingData::kRefuse},
                                {"migrate", ExistingData::kMigrate},
                                {"discard", ExistingData::kDiscard}});
  section.choice<OnBootBlank>(
      "onBootBlank", storage.on_boot_blank,
      {{"fail", OnBootBlank::kFail}, {"reformat", OnBootBlank::kReformat}});
  section.section(
      "wipe", [&](SpecSection inner) { read_wipe(std::move(inner), storage); });
  section.texts("users", storage.users);
  if (storage.label.empty()) {
    storage.label = ("gn-" + storage.id).substr(0, kXfsLabelLimit);
  }
  if (storage.users.empty()) storage.users = usual_users(storage.path);

  if (!is_name(storage.id) || storage.id.size() > kIdLimit) {
    section.complain("id", "must be a name of at most 20 of a-z, 0-9 and -");
  }
  if (!is_plain_path(storage.path)) {
    section.complain("mount.path",
                     "must be an absolute path of plain characters, without "
                     "\"..\" or a slash at its end");
  } else if (is_system_path(storage.path)) {
    section.complain(
        "mount.path",
        fmt::format("a disk over {} would take the host's own files away",
                    storage.path));
  }
  const std::size_t limit =
      storage.type == "xfs" ? kXfsLabelLimit : kExtLabelLimit;
  if (storage.label.size() > limit) {
    section.complain(
        "filesystem.label",
        fmt::format("a label of {} has at most {} bytes", storage.type, limit));
  }
  const facts::DiskFilter& select = storage.select;
  if (!select.cloud_ephemeral && select.model.empty() &&
      select.serials.empty() && select.path.empty()) {
    section.complain("select",
                     "must say which disks: class, model or serials; a name "
                     "as nvme1n1 belongs to another disk after the next boot");
  }
  if (storage.layout == "single" && storage.count != 1) {
    section.complain("select.count",
                     "layout single takes one disk; raid0 and lvm take more");
  }
  if (select.min_size_bytes > select.max_size_bytes) {
    section.complain("select.minSize", "is more than maxSize");
  }
  section.finish();
  return storage;
}

void check_storage(const std::vector<StorageSpec>& storage,
                   const std::string& file_name,
                   std::vector<std::string>& problems) {
  std::set<std::string> ids;
  std::set<std::string> paths;
  std::set<std::string> labels;
  const auto once = [&](std::set<std::string>& seen, const std::string& value,
                        std::string_view what) {
    if (seen.insert(value).second) return;
    problems.push_back(
        fmt::format("{}: spec.storage: two entries have the {} "
                    "\"{}\"",
                    file_name, what, value));
  };
  for (const StorageSpec& one : storage) {
    once(ids, one.id, "id");
    once(paths, one.path, "mount path");
    once(labels, one.label, "label");
  }
  for (const StorageSpec& inner : storage) {
    for (const StorageSpec& outer : storage) {
      if (!inner.path.starts_with(outer.path + "/")) continue;
      problems.push_back(
          fmt::format("{}: spec.storage: {} is inside {}, which another entry "
                      "mounts; mounts inside mounts are not supported",
                      file_name, inner.path, outer.path));
    }
  }
}

}  // namespace gpunode::provision
