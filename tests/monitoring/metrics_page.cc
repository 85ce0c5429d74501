// Writes the agent's page of metrics by the agent's own code, of a node on
// which everything happens that a rule of deploy/monitoring looks for and that
// can be seen in seconds.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/plugin/agent_view.h"

namespace gpunode::plugin {
namespace {

using std::chrono::duration_cast;

Duration of(double seconds) {
  return duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

/// A quarter of GPU-0 for each; `gpu` and `waits` in parts of a second's
/// second.
ShareUse container(const std::string& pod, double seconds, double gpu,
                   double waits) {
  ShareUse use;
  use.allocation_id = "allocation-" + pod;
  use.holder.pod_namespace = "team";
  use.holder.pod = pod;
  use.holder.container = "main";
  share::DeviceHeld held;
  held.uuid = "GPU-0";
  held.limit = 1000;
  held.use.peak = 500;
  held.time.thousandths = 250;
  use.look.devices = {held};
  share::TurnUse& turns = use.turns["GPU-0"];
  turns.used = of(seconds * gpu);
  turns.waited = of(seconds * waits);
  turns.turns = static_cast<std::uint64_t>(seconds * 100);
  return use;
}

AgentView view_of(double seconds) {
  AgentView view;
  view.has_seen_driver = true;
  view.devices.emplace_back(device::DeviceId{"GPU-0"}, device::Health{});
  view.devices.emplace_back(device::DeviceId{"GPU-1"},
                            device::Health{false, "XID 79"});
  view.shares = {container("starved", seconds, 0.02, 0.95),
                 container("hog", seconds, 0.7, 0.1),
                 container("served", seconds, 0.25, 0.6),
                 container("full", seconds, 0.01, 0)};
  view.shares[1].turns["GPU-0"].is_persistent = true;
  share::DeviceHeld& full = view.shares[3].look.devices[0];
  full.use.held[0] = 970;
  full.use.refusals = static_cast<std::uint64_t>(seconds * 10);
  view.shares[3].look.problem = "written over";
  view.share_strangers["GPU-0"] = 2;
  view.compute_lives[{"allocation-hog", "GPU-0"}] = {of(60), 700, 900};
  return view;
}

}  // namespace
}  // namespace gpunode::plugin

int main(int count, char** words) {
  if (count != 2) {
    std::fputs("usage: metrics_page SECONDS\n", stderr);
    return 64;
  }
  const std::string page = gpunode::plugin::metrics_page(
      gpunode::plugin::view_of(std::strtod(words[1], nullptr)), {});
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0
                                                                         : 1;
}
