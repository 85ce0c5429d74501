// Any bytes as a config file, and their lines as a command line: no crash, and
// what is accepted holds what Settings promises.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/config/load.h"
#include "base/text/yaml.h"

namespace {

using namespace gpunode;          // NOLINT(google-build-using-namespace)
using namespace gpunode::config;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

void require_one_line(const std::string& message) {
  require(!message.empty() && message.size() < 4096);
  for (const char c : message) {
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
}

void check_sharing(const std::optional<Replication>& sharing, bool custom) {
  if (!sharing) return;
  require(!sharing->resources.empty());
  for (const ReplicatedResource& resource : sharing->resources) {
    require(resource.replicas >= 2 && resource.replicas <= kMaxReplicas);
    require(resource.name.starts_with("nvidia.com/"));
    require(resource.name.size() <= 63);
    require(custom || std::holds_alternative<AllDevices>(resource.devices));
  }
}

void check_file(const std::string& text) {
  for (const bool custom : {false, true}) {
    const auto line = parse_command_line(
        std::vector<std::string>{custom ? "--enable-custom-sharing"
                                        : "--strict=false"},
        {});
    require(line.has_value());
    const auto loaded =
        load(*line, ConfigText{"fuzz", text}, [] { return true; });
    if (!loaded) {
      require_one_line(loaded.error().message());
      continue;
    }
    check_sharing(loaded->settings.time_slicing, custom);
    check_sharing(loaded->settings.mps, custom);
    for (const Warning& warning : loaded->warnings) {
      require_one_line(describe(warning, "fuzz"));
    }
    // What we print is readable again.
    require(text::parse_yaml(dump_json(loaded->settings), "dump").has_value());
  }
}

void check_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  Environment environment;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t equals = line.find('=');
    if (!line.starts_with('-') && equals != std::string_view::npos) {
      environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    } else {
      arguments.emplace_back(line);
    }
  }
  const auto parsed = parse_command_line(arguments, environment);
  if (!parsed) {
    require_one_line(parsed.error().message());
    return;
  }
  const auto loaded = load(*parsed, {}, [] { return true; });
  if (!loaded) require_one_line(loaded.error().message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_file(text);
  check_arguments(text);
  return 0;
}
