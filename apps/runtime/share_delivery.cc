#include "apps/runtime/share_delivery.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "container/hook/container_state.h"
#include "container/hook/first_program.h"
#include "container/hook/image_view.h"
#include "container/hook/preload.h"
#include "container/oci/config_edit.h"
#include "share/grants/delivery.h"
#include "share/grants/library_files.h"

namespace gpunode::runtime {
namespace {

/// In which order mounts are made.
enum class Order {
  kByDepth,    ///< As `create` writes them: parents first.
  kAsWritten,  ///< By config.json's own.
};

/// A share that config.json mounts, by the agent's own answer.
struct MountedShare {
  share::Delivery delivery;
  /// What the Pod has mounted at the place of the list; empty: nothing.
  std::string other_source;
  /// Indices of the node's mounts below kShareDirectory.
  std::vector<std::size_t> mounts;
};

bool is_agents_preload(std::string_view source) {
  return source.starts_with(std::string(share::kLibraryRoot) + "/") &&
         source.ends_with("/ld.so.preload");
}

bool is_nodes(const std::string& source, const std::string& grants_root) {
  return source.starts_with(std::string(share::kLibraryRoot) + "/") ||
         source.starts_with(grants_root + "/");
}

/// Told by both mounts: one that was delivered already has another source. The
/// agent's destinations are clean; a Pod's are as the Pod has them.
std::optional<MountedShare> find_share(const oci::ContainerConfig& config,
                                       const std::string& grants_root) {
  const std::string share_place = share::kShareDirectory;
  std::optional<share::Delivery> delivery;
  bool is_preloaded = false;
  MountedShare found{{"", ""}, {}, {}};
  for (std::size_t at = 0; at < config.mounts.size(); ++at) {
    const oci::ContainerMount& mount = config.mounts[at];
    if (mount.destination.starts_with(share_place + "/") &&
        is_nodes(mount.source, grants_root)) {
      found.mounts.push_back(at);
    }
    if (mount.destination == share_place + "/limits") {
      auto grant = share::Delivery::of_mount(grants_root, mount.source);
      if (grant) delivery = std::move(grant);
    } else if (is_agents_preload(mount.source) &&
               mount.destination == hook::kPreloadPath) {
      is_preloaded = true;
    } else if (hook::clean_destination(mount.destination) ==
               hook::kPreloadPath) {
      found.other_source = mount.source;
    }
  }
  if (!delivery || !is_preloaded) return std::nullopt;
  found.delivery = *std::move(delivery);
  return found;
}

/// What hides one of the node's mounts from the container, in words; empty:
/// nothing does. A Pod's file in place of `limits` would be a limit of its own.
std::string why_covered(const oci::ContainerConfig& config,
                        const MountedShare& share,
                        const host::RootDirectory& root, Order order) {
  const hook::ImageView image(root, {});
  for (std::size_t at = 0; at < config.mounts.size(); ++at) {
    const oci::ContainerMount& mount = config.mounts[at];
    if (std::ranges::find(share.mounts, at) != share.mounts.end()) continue;
    const std::string place =
        image.locate(hook::clean_destination(mount.destination)).path;
    for (const std::size_t nodes : share.mounts) {
      const std::string& covered = config.mounts[nodes].destination;
      if (!hook::lies_in(covered, place)) continue;
      const std::size_t depth = oci::path_depth(mount.destination);
      const std::size_t own_depth = oci::path_depth(covered);
      const bool is_later = order == Order::kByDepth && depth != own_depth
                                ? depth > own_depth
                                : at > nodes;
      if (!is_later) continue;
      return fmt::format("{} is mounted at {}, over {}",
                         host::printable(mount.source),
                         host::printable(mount.destination), covered);
    }
  }
  return {};
}

hook::StartWords start_words(const oci::ContainerConfig& config) {
  return {config.args,
          std::string(config.find_env("PATH").value_or("")),
          config.working_directory,
          {}};
}

/// Why nothing in the container is held to its share, and what would do.
struct Unlimited {
  std::string why;  ///< Empty: it is.
  std::string remedy;
};

Unlimited why_unlimited(const hook::FirstProgram& program,
                        const std::string& covered) {
  if (!covered.empty()) {
    return {covered, "leave that mount out of the Pod"};
  }
  const std::string why = hook::why_not_preloaded(program);
  if (why.empty()) return {};
  return {why, "use an image that has glibc, or ask for whole GPUs"};
}

/// Whether the library is to be preloaded. Says so to the agent.
Result<bool> settle(const share::Delivery& delivery, const Unlimited& unlimited,
                    std::vector<std::string>& warnings) {
  const std::string& why = unlimited.why;
  if (!why.empty() &&
      delivery.on_unsupported() == share::OnUnsupported::kRefuse) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("hold the container to its share of a GPU: the library "
                    "that does so cannot: {}; {}, or let it run without a "
                    "limit by \"onUnsupported: unlimited\" in the sharing of "
                    "the device plugin (docs/sharing.md)",
                    why, unlimited.remedy));
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
  const hook::ImageView image(*root, {});
  bool shows_own = true;  // The image's /etc is the container's.
  for (const oci::ContainerMount& mount : config.mounts) {
    words.volumes.push_back(mount.destination);
    const std::string place = hook::clean_destination(mount.destination);
    shows_own = shows_own && image.locate(place).path != "/etc";
  }
  TRY(const bool is_preloaded,
      settle(share->delivery,
             why_unlimited(
                 hook::find_first_program(*root, words, hook::native_machine()),
                 why_covered(config, *share, *root, Order::kByDepth)),
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
      settle(
          share->delivery,
          why_unlimited(hook::find_first_program(root, start_words(config),
                                                 hook::native_machine()),
                        why_covered(config, *share, root, Order::kAsWritten)),
          warnings));
  TRY_VOID(hook::uncover_preload(root, share::kLibraryPlace));
  if (is_preloaded) {
    TRY_VOID(hook::cover_preload(root, share::kLibraryPlace));
  }
  return warnings;
}

}  // namespace gpunode::runtime
