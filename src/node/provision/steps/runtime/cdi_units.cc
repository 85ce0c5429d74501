#include "node/provision/steps/runtime/cdi_units.h"

#include <algorithm>
#include <string_view>

#include "node/provision/unit_templates.h"

namespace gpunode::provision {
namespace {

void replace_all(std::string& text, std::string_view from,
                 const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Takes away the line that has `words`, and the comment right above it.
void drop_line(std::string& text, std::string_view words) {
  const std::size_t at = text.find(words);
  if (at == std::string::npos) return;
  std::size_t begin = text.rfind('\n', at) + 1;
  const std::size_t end = text.find('\n', at) + 1;
  while (begin > 1) {
    const std::size_t above = text.rfind('\n', begin - 2) + 1;
    if (text[above] != '#') break;
    begin = above;
  }
  text.erase(begin, end - begin);
}

}  // namespace

std::vector<CdiUnit> cdi_units(const std::string& program,
                               bool has_device_links) {
  const std::string directory = "/etc/systemd/system/";
  std::vector<CdiUnit> units = {
      {directory + kRefreshUnit, kRefreshServiceTemplate},
      {directory + kRefreshPath, kRefreshPathTemplate},
      {directory + "gpunode-cdi-changed.service", kChangedServiceTemplate},
      {"/etc/udev/rules.d/90-gpunode-cdi.rules", kCdiRulesTemplate}};
  if (!has_device_links) {
    drop_line(units[0].content, "gpunode runtime device-links");
  }
  for (CdiUnit& unit : units) {
    replace_all(unit.content, "@GPUNODE_BINDIR@/gpunode", program);
  }
  return units;
}

bool will_have_driver(const PlanInput& input) {
  if (input.facts.modules.contains("nvidia")) return true;
  return input.spec.driver.is_wanted &&
         std::ranges::any_of(input.facts.gpus, [](const facts::PciGpu& gpu) {
           return !gpu.is_switch;
         });
}

}  // namespace gpunode::provision
