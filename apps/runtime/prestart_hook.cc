#include "apps/runtime/prestart_hook.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "apps/runtime/bundle_file.h"
#include "apps/runtime/report.h"
#include "apps/runtime/rules.h"
#include "base/host/root_directory.h"
#include "container/hook/container_state.h"
#include "container/oci/container_request.h"

namespace gpunode::runtime {
namespace {

constexpr const char* kRefusal =
    "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the "
    "docker --gpus flag) is not supported. Please use the NVIDIA Container "
    "Runtime (e.g. specify the --runtime=nvidia flag) instead";

constexpr std::size_t kLargestState = std::size_t{1} << 20U;

/// True if the container of the state on standard input asks for devices.
Result<bool> asks_for_devices() {
  TRY(const std::string text,
      host::read_all(STDIN_FILENO, kLargestState, "the container's state"));
  TRY(const hook::ContainerState state, hook::parse_container_state(text));
  if (state.bundle.empty()) {
    return Error(ErrorCode::kCorrupt, "the container's state has no bundle");
  }
  TRY(const oci::ToolkitConfig rules, load_rules());
  TRY(BundleFile file, read_bundle_file(state.bundle));
  TRY(const oci::ContainerConfig config,
      oci::read_container_config(std::exchange(file.text, {}), file.path));
  TRY(const oci::ContainerRequest request, oci::read_request(config, rules));
  return request.devices.is_request();
}

}  // namespace

int run_prestart_hook(std::span<const std::string> arguments) {
  const std::string verb = arguments.empty() ? "" : arguments.front();
  if (verb == "poststart" || verb == "poststop") return 0;
  if (verb != "prestart") {
    fmt::print(stderr,
               "usage: nvidia-container-runtime-hook prestart | poststart | "
               "poststop\nThe OCI state comes on standard input.\n");
    return 2;
  }
  const auto is_asked = asks_for_devices();
  if (is_asked && !*is_asked) return 0;
  Report report;
  report.fail(is_asked ? kRefusal : is_asked.error().message());
  return 1;
}

}  // namespace gpunode::runtime
