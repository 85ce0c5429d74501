#include "node/provision/storage_spec.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/provision/mount_place.h"
#include "node/provision/storage_refusal.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

constexpr std::size_t kXfsLabelLimit = 12;
constexpr std::size_t kExtLabelLimit = 16;
constexpr std::size_t kIdLimit = 20;

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_lower(c) || is_digit(c) || c == '-';
  });
}

/// An absolute path that means what it says: no "..", no "//", no white space
/// or characters that unit files and fstab would read otherwise.
bool is_plain_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() < 2 || path.ends_with('/')) {
    return false;
  }
  const bool plain = std::ranges::all_of(path, [](char c) {
    return is_alphanumeric(c) || c == '/' || c == '-' || c == '_' || c == '.' ||
           c == '+' || c == '@';
  });
  return plain && path.find("//") == std::string_view::npos &&
         (std::string(path) + "/").find("/../") == std::string::npos &&
         (std::string(path) + "/").find("/./") == std::string::npos;
}

/// "/dev/loop0".
bool is_loop_path(std::string_view path) {
  constexpr std::string_view kLoop = "/dev/loop";
  if (!path.starts_with(kLoop)) return false;
  path.remove_prefix(kLoop.size());
  return !path.empty() &&
         path.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A path is a name of the kernel's, and so another disk's after the next boot;
/// of a loop device, which is for trials, there is nothing else.
void check_path(SpecSection& section, const facts::DiskFilter& select,
                bool others) {
  if (select.path.empty()) return;
  if (!is_loop_path(select.path)) {
    section.complain(
        "path", fmt::format("\"{}\" is no loop device (/dev/loop0), and any "
                            "other name is another disk's after the next boot: "
                            "say which disk by class, model or serials",
                            select.path));
  } else if (others) {
    section.complain("path",
                     "a loop device is named by its path alone: take the other "
                     "keys of select out");
  }
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
  section.choice<bool>("proof", select.full_proof,
                       {{"sampled", false}, {"full", true}});
  facts::DiskFilter path_alone;
  path_alone.path = select.path;
  path_alone.full_proof = select.full_proof;
  check_path(section, select, select != path_alone);
  section.finish();
}

void read_filesystem(SpecSection section, StorageSpec& storage) {
  section.choice<std::string>("type", storage.type,
                              {{"xfs", "xfs"}, {"ext4", "ext4"}});
  section.text("label", storage.label);
  section.texts("options", storage.options);
  for (const std::string& option : storage.options) {
    if (const std::string why = why_no_mount_option(option); !why.empty()) {
      section.complain("options", why);
    }
  }
  section.finish();
}

void check_mount_path(SpecSection& section, const std::string& path) {
  if (!is_plain_path(path)) {
    section.complain("path",
                     "must be an absolute path of plain characters, without "
                     "\"..\" or a slash at its end");
  } else if (const std::string why = why_no_mount_place(path); !why.empty()) {
    section.complain("path", why);
  }
}

void read_mount(SpecSection section, StorageSpec& storage) {
  section.text("path", storage.path);
  if (!storage.path.empty()) check_mount_path(section, storage.path);
  section.choice<MountVia>(
      "via", storage.via,
      {{"unit", MountVia::kUnit}, {"fstab", MountVia::kFstab}});
  section.finish();
}

void read_wipe(SpecSection section, StorageSpec& storage) {
  section.texts("confirm", storage.wipe_serials);
  section.finish();
}

/// systemd ignores a drop-in for what is no whole name of a unit, silently.
void check_users(SpecSection& section, const std::vector<std::string>& users) {
  for (const std::string& user : users) {
    if (is_service_name(user)) {
      if (const std::string why = why_no_storage_user(user); !why.empty()) {
        section.complain("users", why);
      }
      continue;
    }
    const bool is_short = is_service_name(user + ".service");
    section.complain(
        "users",
        fmt::format("\"{}\" is no whole name of a service{}", user,
                    is_short
                        ? fmt::format(" (did you mean \"{}.service\"?)", user)
                        : ": write it as systemd has it, as "
                          "containerd.service"));
  }
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
  // A drop-in of the same name has the proxy of these services.
  if (storage.id == "proxy")
    section.complain("id", "may be anything but proxy");
  if (storage.path.empty()) {
    section.complain("mount.path", "must say where the disk is to be mounted");
  }
  check_users(section, storage.users);
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
  if (storage.layout == "raid0" && storage.count < 2) {
    section.complain("select.count",
                     "layout raid0 takes two disks or more: say how many");
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
