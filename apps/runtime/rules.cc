#include "apps/runtime/rules.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/host/host_root.h"
#include "container/oci/passed_call.h"

namespace gpunode::runtime {
namespace {

constexpr std::size_t kLargest = std::size_t{1} << 20U;

struct RulesText {
  std::string path;
  std::string text;
};

Result<RulesText> read_rules() {
  const auto buffer = std::make_unique<oci::PathBuffer>();
  if (!oci::config_path(oci::read_environment(::environ), *buffer)) {
    return Error(ErrorCode::kInvalidArgument,
                 "error loading config: its path in the environment is longer "
                 "than 4096 bytes");
  }
  RulesText rules{buffer->text(), {}};
  std::string path = rules.path;
  if (!path.starts_with('/')) {
    const std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0),
                                                           &std::free);
    if (here != nullptr) path = std::string(here.get()) + "/" + path;
  }
  auto text = host::HostRoot().read_file(path, kLargest);
  if (text) {
    rules.text = *std::move(text);
  } else if (text.error().code() != ErrorCode::kNotFound) {
    return std::move(text).error().with_context("error loading config");
  }
  return rules;
}

}  // namespace

Result<oci::ToolkitConfig> load_rules() {
  TRY(const RulesText rules, read_rules());
  return oci::parse_toolkit_config(rules.text, rules.path);
}

std::vector<std::string> load_candidates() {
  std::vector<std::string> defaults = oci::RuntimeConfig().runtimes;
  const auto rules = read_rules();
  if (!rules) return defaults;
  if (const auto parsed = oci::parse_toolkit_config(rules->text, rules->path)) {
    return parsed->runtime.runtimes;
  }
  oci::Candidates found;
  oci::PlainConfig plain({rules->text.data(), rules->text.size()});
  if (!plain.read(found) || found.count == 0) return defaults;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < found.count; ++i) {
    names.emplace_back(found.names[i].data, found.names[i].size);
  }
  return names;
}

}  // namespace gpunode::runtime
