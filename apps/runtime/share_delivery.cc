#include "apps/runtime/share_delivery.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "container/hook/container_state.h"
#include "container/hook/first_program.h"
#include "container/hook/preload.h"
#include "share/grants/delivery.h"
#include "share/grants/library_files.h"

namespace gpunode::runtime {
namespace {

/// A share that config.json mounts, by the agent's own answer.
struct MountedShare {
  share::Delivery delivery;
  /// What the Pod has mounted at the same place; empty: nothing.
  std::string other_source;
};

bool is_agents_preload(std::string_view source) {
  return source.starts_with(std::string(share::kLibraryRoot) + "/") &&
         source.ends_with("/ld.so.preload");
}

/// Told by both mounts: one that was delivered already has another source.
std::optional<MountedShare> find_share(const oci::ContainerConfig& config,
                                       const std::string& grants_root) {
  const std::string limits_place =
      std::string(share::kShareDirectory) + "/limits";
  std::optional<share::Delivery> delivery;
  bool is_preloaded = false;
  std::string other;
  for (const oci::ContainerMount& mount : config.mounts) {
    if (mount.destination == limits_place) {
      delivery = share::Delivery::of_mount(grants_root, mount.source);
    } else if (mount.destination != hook::kPreloadPath) {
      continue;
    } else if (is_agents_preload(mount.source)) {
      is_preloaded = true;
    } else {
      other = mount.source;
    }
  }
  if (!delivery || !is_preloaded) return std::nullopt;
  return MountedShare{*std::move(delivery), std::move(other)};
}

hook::StartWords start_words(const oci::ContainerConfig& config) {
  return {config.args,
          std::string(config.find_env("PATH").value_or("")),
          config.working_directory,
          {}};
}

/// Whether the library is to be preloaded. Says so to the agent.
Result<bool> settle(const share::Delivery& delivery,
                    const hook::FirstProgram& program,
                    std::vector<std::string>& warnings) {
  const std::string why = hook::why_not_preloaded(program);
  if (!why.empty() &&
      delivery.on_unsupported() == share::OnUnsupported::kRefuse) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("hold the container to its share of a GPU: nothing in it "
                    "can load the library that does so: {}, and the image has "
                    "no glibc; use an image that has, or ask for whole GPUs, "
                    "or let it run without a limit by \"onUnsupported: "
                    "unlimited\" in the sharing of the device plugin "
                    "(docs/sharing.md)",
                    why));
  }
  if (!why.empty()) {
    warnings.push_back(
        fmt::format("the container runs without the limit of its share of a "
                    "GPU, as onUnsupported says: {}",
                    why));
  }
  // A hook in a user namespace may not; the system's log has it then.
  if (const auto told = delivery.tell_unlimited(why); !told && !why.empty()) {
    warnings.push_back("the node's agent cannot be told: " +
                       told.error().message());
  }
  return why.empty();
}

}  // namespace

Result<ShareDelivery> deliver_share(const oci::ContainerConfig& config,
                                    const std::string& bundle,
                                    const std::string& grants_root) {
  ShareDelivery done;
  const auto share = find_share(config, grants_root);
  if (!share) return done;
  const auto root = hook::open_container_root({bundle, {}});
  if (!root) {
    done.warnings.push_back(
        "what the image preloads, and whether its programs can be held to a "
        "share, is not known: " +
        root.error().message());
    return done;
  }
  hook::StartWords words = start_words(config);
  bool shows_own = true;  // The image's /etc is the container's.
  for (const oci::ContainerMount& mount : config.mounts) {
    words.volumes.push_back(mount.destination);
    shows_own = shows_own && mount.destination != "/etc";
  }
  TRY(const bool is_preloaded,
      settle(share->delivery,
             hook::find_first_program(*root, words, hook::native_machine()),
             done.warnings));
  std::string text;
  if (shows_own) {
    TRY(text, hook::read_preload(*root));
  }
  if (!share->other_source.empty()) {
    done.warnings.push_back(fmt::format(
        "{} is not mounted at {}, where the library of the container's share "
        "of a GPU is named: have the image name what it is to preload",
        host::printable(share->other_source), hook::kPreloadPath));
  }
  if (is_preloaded) text = hook::merged_preload(share::kLibraryPlace, text);
  const auto file = share->delivery.write_preload(text);
  // Without its directory the low-level runtime finds no mount of the share.
  if (!file && file.error().code() == ErrorCode::kNotFound) return done;
  if (!file) return file.error();
  done.edits.mounts.push_back({*file,
                               hook::kPreloadPath,
                               {"ro", "nosuid", "nodev", "noexec", "bind"},
                               "bind"});
  return done;
}

Result<std::vector<std::string>> deliver_mounted_share(
    const oci::ContainerConfig& config, const host::RootDirectory& root,
    const std::string& grants_root) {
  std::vector<std::string> warnings;
  const auto share = find_share(config, grants_root);
  if (!share) return warnings;
  TRY(const bool is_preloaded,
      settle(share->delivery,
             hook::find_first_program(root, start_words(config),
                                      hook::native_machine()),
             warnings));
  TRY_VOID(hook::uncover_preload(root, share::kLibraryPlace));
  if (is_preloaded) {
    TRY_VOID(hook::cover_preload(root, share::kLibraryPlace));
  }
  return warnings;
}

}  // namespace gpunode::runtime
