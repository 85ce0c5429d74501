// Any bytes as a CDI spec: no crash; a refusal is one line; what is accepted
// holds what a Spec promises and survives being written and read again.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "container/cdi/names.h"
#include "container/cdi/spec_order.h"
#include "container/cdi/spec_reader.h"
#include "container/cdi/spec_version.h"
#include "container/cdi/spec_writer.h"

namespace {

using namespace gpunode;       // NOLINT(google-build-using-namespace)
using namespace gpunode::cdi;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

void require_one_line(const std::string& message) {
  require(!message.empty() && message.size() < 4096);
  for (const char c : message) {
    require(static_cast<unsigned char>(c) >= 0x20);
  }
}

void check_edits(const ContainerEdits& edits) {
  for (const std::string& variable : edits.env) {
    require(variable.find('=') != std::string::npos && variable.front() != '=');
  }
  for (const DeviceNode& node : edits.device_nodes) {
    require(node.path.starts_with('/'));
    require(node.host_path.empty() || node.host_path.starts_with('/'));
    require(!node.major || node.minor);
  }
  for (const Mount& mount : edits.mounts) {
    require(mount.container_path.starts_with('/'));
    require(!mount.host_path.empty());
  }
  for (const Hook& hook : edits.hooks) {
    require(hook.path.starts_with('/') && !hook.name.empty());
  }
}

void check_spec(const Spec& spec) {
  require(!fault_of_kind(spec.kind));
  const auto version = parse_spec_version(spec.version);
  require(version.has_value());
  const VersionNeed need = needed_version(spec);
  require(need.reason.empty() || *version >= need.version);
  require(!spec.devices.empty());
  std::set<std::string> names;
  for (const Device& device : spec.devices) {
    require(!fault_of_device(device.name) && names.insert(device.name).second);
    require(!device.edits.is_empty());
    check_edits(device.edits);
  }
  check_edits(spec.edits);
}

void check_writing(const Spec& spec) {
  const std::string json = write_json(spec);
  for (const std::string& text : {json, write_yaml(spec)}) {
    const auto again = read_spec(text, "again");
    require(again.has_value());
    require(write_json(*again) == json);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto spec = read_spec(text, "fuzz");
  if (!spec) {
    require_one_line(spec.error().message());
    return 0;
  }
  check_spec(*spec);
  check_writing(*spec);
  change_root(*spec, {"/", "/other", false});
  check_spec(*spec);
  check_writing(*spec);
  return 0;
}
