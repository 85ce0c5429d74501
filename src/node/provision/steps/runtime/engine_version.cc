#include "node/provision/steps/runtime/engine_version.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "node/provision/kubernetes_section.h"
#include "node/provision/packages/package_set.h"

namespace gpunode::provision {
namespace {

/// The two numbers that `text` begins with, "1.25" or "1.25.16".
template <class Number>
bool read_two(std::string_view text, Number& first, Number& second) {
  const char* end = text.data() + text.size();
  const auto one = std::from_chars(text.data(), end, first);
  if (one.ec != std::errc{} || one.ptr == end || *one.ptr != '.') return false;
  const auto two = std::from_chars(one.ptr + 1, end, second);
  return two.ec == std::errc{} && (two.ptr == end || *two.ptr == '.');
}

/// From this minor version of Kubernetes 1 on; the greatest that fits counts.
struct Pause {
  int minor;
  const char* tag;
};
// PauseVersion in cmd/kubeadm/app/constants/constants.go of each release's
// branch, and what `kubeadm config images list` of it prints.
constexpr std::array<Pause, 11> kPauses = {{{18, "3.2"},
                                            {21, "3.4.1"},
                                            {22, "3.5"},
                                            {23, "3.6"},
                                            {24, "3.7"},
                                            {25, "3.8"},
                                            {26, "3.9"},
                                            {31, "3.10"},
                                            {34, "3.10.1"},
                                            {36, "3.10.2"},
                                            {37, ""}}};

}  // namespace

const char* installed_engine(const facts::HostFacts& facts) {
  for (const char* name : {"containerd.io", "containerd"}) {
    if (facts.packages.contains(name)) return name;
  }
  return nullptr;
}

std::optional<engines::ContainerdVersion> parse_engine_version(
    std::string_view version) {
  engines::ContainerdVersion engine;
  if (!read_two(version, engine.major, engine.minor)) return std::nullopt;
  return engine;
}

std::optional<engines::ContainerdVersion> engine_version(
    const facts::HostFacts& facts) {
  const char* name = installed_engine(facts);
  if (name == nullptr) return std::nullopt;
  return parse_engine_version(
      packages::upstream_of(facts.packages.at(name).version));
}

// RELEASES.md of containerd, "Kubernetes Support": CRI v1 is there from 1.6 on,
// v1alpha2 until 1.7; the kubelet speaks v1 from 1.23 on and nothing else from
// 1.26 on.
EngineSkew engine_skew(const engines::ContainerdVersion& engine,
                       std::string_view kubernetes) {
  const int minor = kubernetes_minor(kubernetes);
  if (minor < 0) return {};
  const bool is_before_1_6 =
      engine.major < 1 || (engine.major == 1 && engine.minor < 6);
  const std::string name =
      fmt::format("containerd {}.{}", engine.major, engine.minor);
  const std::string kubelet =
      fmt::format("the kubelet of Kubernetes 1.{}", minor);
  if (is_before_1_6 && minor >= 26) {
    return {.trouble = fmt::format("{} speaks CRI v1alpha2, and {} wants v1, "
                                   "which came with containerd 1.6",
                                   name, kubelet)};
  }
  if (engine.major >= 2 && minor < 23) {
    return {.trouble = fmt::format("{} speaks CRI v1 alone, and {} wants "
                                   "v1alpha2, which containerd 1.7 has last",
                                   name, kubelet)};
  }
  // The announcement of SIG Node with Kubernetes 1.35.
  if (engine.major < 2 && minor >= 36) {
    return {.note = fmt::format("{} is older than Kubernetes 1.{} supports: "
                                "1.35 was the last with containerd 1.x",
                                name, minor)};
  }
  return {};
}

std::string pause_image(std::string_view kubernetes) {
  const int minor = kubernetes_minor(kubernetes);
  std::string_view tag;
  for (const Pause& one : kPauses) {
    if (minor >= one.minor) tag = one.tag;
  }
  if (tag.empty()) return {};
  return fmt::format("registry.k8s.io/pause:{}", tag);
}

}  // namespace gpunode::provision
