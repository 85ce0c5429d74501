#include "agent/labels/resource_labels.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/labels/architecture.h"

namespace gpunode::labels {
namespace {

using config::MigStrategy;
using config::ReplicatedResource;
using config::Settings;
using config::SharingStrategy;
using device::Gpu;
using device::MigAttributes;

constexpr std::string_view kFullGpu = "nvidia.com/gpu";
constexpr std::uint64_t kMib = 1024ULL * 1024;

/// The labels of one resource, "<resource>.<what>".
class ResourceLabels {
 public:
  ResourceLabels(std::string_view resource, LabelSet& into)
      : resource_(resource), into_(into) {}

  void put(std::string_view what, std::string_view value) {
    into_[fmt::format("{}.{}", resource_, what)] = value;
  }
  void put(std::string_view what, std::uint64_t value) {
    put(what, std::to_string(value));
  }

  /// product, count, replicas and sharing-strategy of a resource that takes
  /// part in sharing, if the configuration shares it.
  void put_shared(const Settings& settings, std::string_view model,
                  const std::string& suffix, std::uint64_t count);

  /// The same of one that never does.
  void put_unshared(std::string_view model, const std::string& suffix,
                    std::uint64_t count, std::string_view strategy) {
    put("product", value_of(model, suffix));
    put("count", count);
    put("replicas", 0);
    put("sharing-strategy", strategy);
  }

 private:
  std::string_view resource_;
  LabelSet& into_;
};

const ReplicatedResource* find_sharing(const Settings& settings,
                                       std::string_view resource) {
  const config::Replication* const replication = settings.replication();
  if (replication == nullptr) return nullptr;
  const auto found = std::find_if(
      replication->resources.begin(), replication->resources.end(),
      [&](const ReplicatedResource& one) { return one.name == resource; });
  return found == replication->resources.end() ? nullptr : &*found;
}

std::string_view word_of(SharingStrategy strategy) {
  switch (strategy) {
    case SharingStrategy::kTimeSlicing:
      return "time-slicing";
    case SharingStrategy::kMps:
      return "mps";
    case SharingStrategy::kShares:
      return "shares";
    case SharingStrategy::kNone:
      break;
  }
  return "none";
}

void ResourceLabels::put_shared(const Settings& settings,
                                std::string_view model,
                                const std::string& suffix,
                                std::uint64_t count) {
  const ReplicatedResource* const shared = find_sharing(settings, resource_);
  const bool is_shared = shared != nullptr && shared->replicas > 1;
  // A name of its own tells that it is shared; else the product does.
  const bool keeps_name = is_shared && shared->rename == shared->name;
  put("product", value_of(model, suffix + (keeps_name ? "-SHARED" : "")));
  put("count", count);
  put("replicas", is_shared ? shared->replicas : 1);
  put("sharing-strategy", word_of(is_shared ? settings.sharing_strategy()
                                            : SharingStrategy::kNone));
}

/// The GPUs of one model.
struct Model {
  std::size_t count = 0;
  std::vector<const Gpu*> full;
  std::vector<const Gpu*> mig_enabled;
};

/// What is counted by name: the most frequent, of equal ones the first.
template <class Value, class Count>
const std::pair<const std::string, Value>* most_frequent(
    const std::map<std::string, Value>& among, Count count) {
  const auto found = std::max_element(
      among.begin(), among.end(),
      [&](auto& a, auto& b) { return count(a.second) < count(b.second); });
  return found == among.end() ? nullptr : &*found;
}

std::string joined_names(const std::map<std::string, Model>& models) {
  std::string text;
  for (const auto& [name, model] : models) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  }
  return text;
}

// MiB; of a GPU that is passed through, bytes: selectors that were written for
// NVIDIA's labels compare with these.
std::uint64_t labelled_memory(const Gpu& gpu) {
  return gpu.is_passed_through ? gpu.memory_bytes : gpu.memory_bytes / kMib;
}

void put_architecture(const std::vector<const Gpu*>& gpus,
                      ResourceLabels& labels) {
  std::uint64_t memory = 0;
  std::pair<int, int> compute{0, 0};
  for (const Gpu* gpu : gpus) {
    const std::uint64_t one_memory = labelled_memory(*gpu);
    if (one_memory != 0 && (memory == 0 || one_memory < memory)) {
      memory = one_memory;
    }
    const std::pair one(gpu->compute_major, gpu->compute_minor);
    if (one.first > 0 && (compute.first == 0 || one < compute)) compute = one;
  }
  if (memory != 0) labels.put("memory", memory);
  if (gpus.front()->is_passed_through) {
    // NVIDIA's compute capability of -1.-1 is no value of a label.
    labels.put("family", "undefined");
  }
  if (compute.first == 0) return;
  labels.put("family", family_of(compute.first, compute.second));
  labels.put("compute.major", std::to_string(compute.first));
  labels.put("compute.minor", std::to_string(compute.second));
}

void add_full_gpus(const std::vector<Gpu>& gpus, const Settings& settings,
                   NodeLabels& into) {
  std::map<std::string, Model> models;
  for (const Gpu& gpu : gpus) {
    Model& model = models[gpu.name];
    ++model.count;
    (gpu.mig_enabled ? model.mig_enabled : model.full).push_back(&gpu);
  }
  if (models.size() > 1) {
    into.remarks.push_back(
        fmt::format("Multiple device types detected: {}; the labels are of "
                    "the most frequent",
                    joined_names(models)));
  }
  // A GPU with MIG on counts only where there is no whole one.
  std::map<std::string, Model> whole;
  for (const auto& [name, model] : models) {
    if (!model.full.empty()) whole.emplace(name, model);
  }
  const auto* const chosen = most_frequent(
      whole.empty() ? models : whole, [](const Model& m) { return m.count; });
  ResourceLabels labels(kFullGpu, into.labels);
  if (whole.empty()) {
    labels.put_unshared(chosen->first, "", chosen->second.count, "none");
    put_architecture(chosen->second.mig_enabled, labels);
    return;
  }
  labels.put_shared(settings, chosen->first, "", chosen->second.count);
  put_architecture(chosen->second.full, labels);
}

/// The MIG devices of one profile: how many each model has, with what.
struct Profile {
  std::size_t count = 0;
  std::map<std::string, std::vector<MigAttributes>> models;
};

using Profiles = std::map<std::string, Profile>;

Profiles profiles_of(const std::vector<Gpu>& gpus) {
  Profiles profiles;
  for (const Gpu& gpu : gpus) {
    for (const device::MigDevice& mig : gpu.mig_devices) {
      std::string name = mig.profile;
      std::replace(name.begin(), name.end(), '+', '.');
      Profile& profile = profiles[name];
      ++profile.count;
      profile.models[gpu.name].push_back(mig.attributes);
    }
  }
  return profiles;
}

void add_profile(std::string_view resource, const std::string& name,
                 const Profile& profile, const Settings& settings,
                 NodeLabels& into) {
  const auto* const chosen = most_frequent(
      profile.models, [](const auto& devices) { return devices.size(); });
  const MigAttributes& least =
      *std::min_element(chosen->second.begin(), chosen->second.end());
  ResourceLabels labels(resource, into.labels);
  labels.put_shared(settings, chosen->first, "-MIG-" + name, profile.count);
  labels.put("memory", least.memory_mib);
  labels.put("multiprocessors", least.multiprocessors);
  labels.put("slices.gi", least.gpu_instance_slices);
  labels.put("slices.ci", least.compute_instance_slices);
  labels.put("engines.copy", least.copy_engines);
  labels.put("engines.decoder", least.decoders);
  labels.put("engines.encoder", least.encoders);
  labels.put("engines.jpeg", least.jpeg_engines);
  labels.put("engines.ofa", least.ofa_engines);
}

/// Why MIG devices cannot be offered as nvidia.com/gpu; NVIDIA's words.
std::optional<std::string_view> obstacle_of(const std::vector<Gpu>& gpus,
                                            const Profiles& profiles) {
  const auto is_empty = [](const Gpu& gpu) {
    return gpu.mig_enabled && gpu.mig_devices.empty();
  };
  const auto is_off = [](const Gpu& gpu) { return !gpu.mig_enabled; };
  if (std::any_of(gpus.begin(), gpus.end(), is_empty)) {
    return "at least one MIG device is enabled but empty";
  }
  if (std::any_of(gpus.begin(), gpus.end(), is_off)) {
    return "devices with MIG enabled and disable detected";
  }
  if (profiles.size() != 1) {
    return "more than one MIG device type present on node";
  }
  return std::nullopt;
}

void add_single(const std::vector<Gpu>& gpus, const Settings& settings,
                NodeLabels& into) {
  std::map<std::string, std::size_t> enabled;
  for (const Gpu& gpu : gpus) {
    if (gpu.mig_enabled) ++enabled[gpu.name];
  }
  if (enabled.empty()) return;  // Then it is as without a strategy.
  const Profiles profiles = profiles_of(gpus);
  if (const auto obstacle = obstacle_of(gpus, profiles)) {
    into.remarks.push_back(fmt::format(
        "Invalid configuration detected for mig-strategy=single: {}",
        *obstacle));
    ResourceLabels labels(kFullGpu, into.labels);
    labels.put_unshared(
        most_frequent(enabled, [](std::size_t count) { return count; })->first,
        "-MIG-INVALID", 0, "");
    labels.put("memory", 0);
    return;
  }
  const auto& [name, profile] = *profiles.begin();
  add_profile(kFullGpu, name, profile, settings, into);
}

void add_mixed(const std::vector<Gpu>& gpus, const Settings& settings,
               NodeLabels& into) {
  for (const auto& [name, profile] : profiles_of(gpus)) {
    add_profile("nvidia.com/mig-" + name, name, profile, settings, into);
  }
}

}  // namespace

void add_resource_labels(const device::Inventory& inventory,
                         const Settings& settings, NodeLabels& into) {
  add_full_gpus(inventory.gpus, settings, into);
  switch (settings.mig_strategy) {
    case MigStrategy::kSingle:
      into.labels["nvidia.com/mig.strategy"] = "single";
      add_single(inventory.gpus, settings, into);
      break;
    case MigStrategy::kMixed:
      into.labels["nvidia.com/mig.strategy"] = "mixed";
      add_mixed(inventory.gpus, settings, into);
      break;
    case MigStrategy::kNone:
      break;
  }
}

}  // namespace gpunode::labels
