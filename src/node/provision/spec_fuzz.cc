// Any bytes as a GPUNode file and its drop-ins, which a line "--- next file"
// separates: problems that say where, or a spec of which every Step can plan.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "node/provision/plan.h"
#include "node/provision/spec_file.h"
#include "node/provision/steps/steps.h"

namespace {

using gpunode::provision::SpecText;

constexpr std::string_view kNextFile = "--- next file\n";

void require(bool claim) {
  if (!claim) std::abort();
}

std::vector<SpecText> files_in(std::string_view text) {
  std::vector<SpecText> files;
  while (true) {
    const std::size_t end = text.find(kNextFile);
    files.push_back({std::to_string(files.size()) + ".yaml",
                     std::string(text.substr(0, end))});
    if (end == std::string_view::npos) return files;
    text.remove_prefix(end + kNextFile.size());
  }
}

/// What the engine relies on, whoever wrote the file.
void require_sound(const gpunode::provision::NodeSpec& spec) {
  for (const auto& entry : spec.storage) {
    require(!entry.id.empty() && entry.id.find('/') == std::string::npos);
    require(entry.path.starts_with("/") && entry.path.size() > 1);
    require((entry.path + "/").find("/../") == std::string::npos);
    require(entry.count >= 1);
    require(entry.type == "xfs" || entry.type == "ext4");
    require(!entry.label.empty() &&
            entry.label.size() <= (entry.type == "ext4" ? 16U : 12U));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace provision = gpunode::provision;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const provision::SpecReading reading = provision::read_spec(files_in(text));
  for (const std::string& problem : reading.problems) {
    require(problem.find(".yaml") != std::string::npos);
    require(problem.find('\n') == std::string::npos);
  }
  if (!reading.problems.empty()) return 0;
  require_sound(reading.spec);
  const provision::Steps steps = provision::steps_for(reading.spec);
  const gpunode::facts::HostFacts nothing_seen;
  const provision::History no_history;
  const std::vector<std::string> no_wipes;
  const provision::Plan plan = provision::make_plan(
      steps, {nothing_seen, reading.spec, no_history, no_wipes});
  require(plan.steps.size() == steps.size());
  for (const auto& step : plan.steps) {
    // Nothing was seen of this host: no disk may lose anything.
    require(step.plan.destroys.empty());
  }
  return 0;
}
