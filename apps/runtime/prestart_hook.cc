#include "apps/runtime/prestart_hook.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "apps/runtime/bundle_file.h"
#include "apps/runtime/report.h"
#include "apps/runtime/rules.h"
#include "base/text/json_reader.h"
#include "container/oci/container_request.h"

namespace gpunode::runtime {
namespace {

constexpr const char* kRefusal =
    "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the "
    "docker --gpus flag) is not supported. Please use the NVIDIA Container "
    "Runtime (e.g. specify the --runtime=nvidia flag) instead";

constexpr std::size_t kLargestState = std::size_t{1} << 20U;

Result<std::string> read_state() {
  std::string state;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno("read the container's state", errno);
    if (n == 0) return state;
    state.append(chunk.data(), static_cast<std::size_t>(n));
    if (state.size() > kLargestState) {
      return Error(ErrorCode::kCorrupt,
                   "read the container's state: larger than 1 MiB");
    }
  }
}

Result<std::string> bundle_of(std::string_view state) {
  text::JsonReader reader(state, "state");
  TRY_VOID(reader.enter_object());
  std::string bundle;
  for (;;) {
    TRY(const auto key, reader.next_key());
    if (!key) break;
    if (*key == "bundle") {
      TRY(bundle, reader.string());
    } else {
      TRY_VOID(reader.skip());
    }
  }
  if (bundle.empty()) {
    return Error(ErrorCode::kCorrupt, "the container's state has no bundle");
  }
  return bundle;
}

/// True if the container of the state on standard input asks for devices.
Result<bool> asks_for_devices() {
  TRY(const std::string state, read_state());
  TRY(const std::string bundle, bundle_of(state));
  TRY(const oci::ToolkitConfig rules, load_rules());
  TRY(BundleFile file, read_bundle_file(bundle));
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
