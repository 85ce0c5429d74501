// Any bytes as config.json: what is accepted can be edited, what comes out is
// accepted again with the edits in it, and what was not ours is still there.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "container/oci/config_edit.h"
#include "container/oci/container_request.h"
#include "container/oci/plain_create.h"
#include "container/oci/toolkit_config.h"

namespace {

using namespace gpunode::oci;  // NOLINT(google-build-using-namespace)
namespace cdi = gpunode::cdi;

void require(bool claim) {
  if (!claim) std::abort();
}

cdi::ContainerEdits all_kinds() {
  cdi::ContainerEdits edits;
  edits.env = {"A=1", "NVIDIA_VISIBLE_DEVICES=void"};
  edits.mounts = {{"/h", "/c/d", {"ro"}, ""}, {"/h", "/e", {}, "bind"}};
  edits.hooks = {{"createContainer", "/hook", {"hook"}, {"PATH=/bin"}, 1}};
  cdi::DeviceNode node;
  node.path = "/dev/nvidia0";
  node.type = "c";
  node.major = 195;
  node.minor = 0;
  edits.device_nodes = {node};
  edits.additional_gids = {44};
  return edits;
}

bool has(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void check_one_line(const std::string& message) {
  require(!message.empty() && message.find('\n') == std::string::npos);
}

/// What is passed on by its bytes alone would have been left as it is.
void check_unasked(const std::string& text,
                   const gpunode::Result<ContainerConfig>& config) {
  RequestScan scan;
  scan.take({text.data(), text.size()});
  if (!scan.is_without_request() || !config) return;
  const auto request = read_request(*config, ToolkitConfig());
  require(request.has_value());
  require(!request->devices.is_request());
  require(!request->annotated.is_request());
  require(request->imex_channels.empty());
  require(!edit_config(*config, {}, LegacyHook::kRemove));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto config = read_container_config(text, "config.json");
  check_unasked(text, config);
  if (!config) {
    check_one_line(config.error().message());
    return 0;
  }
  const std::vector<cdi::ContainerEdits> edits = {all_kinds()};
  const auto edited = edit_config(*config, edits, LegacyHook::kRemove);
  require(edited.has_value());
  const auto again = read_container_config(*edited, "edited");
  require(again.has_value());
  require(again->find_env("A") == "1");
  require(has(again->device_paths, "/dev/nvidia0"));
  require(std::any_of(
      again->mounts.begin(), again->mounts.end(),
      [](const ContainerMount& mount) { return mount.destination == "/c/d"; }));
  require(again->annotations == config->annotations);
  require(again->cgroups_path == config->cgroups_path);
  for (const std::string& variable : config->env) {
    const bool is_ours = variable.starts_with("A=") || variable == "A" ||
                         variable.starts_with("NVIDIA_VISIBLE_DEVICES");
    require(is_ours || has(again->env, variable));
  }
  return 0;
}
