#include "agent/plugin/agent_pages.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/log.h"
#include "base/host/host_root.h"
#include "base/metrics/text_format.h"
#include "container/oci/ungranted_report.h"

namespace gpunode::plugin {
namespace {

http::Response ok() {
  http::Response response;
  response.body = "ok\n";
  return response;
}

http::Response readiness(const AgentView& view) {
  const std::vector<std::string> reasons = not_ready_reasons(view);
  if (reasons.empty()) return ok();
  http::Response response;
  response.status = 503;
  response.body = fmt::format("{}\n", fmt::join(reasons, "\n"));
  return response;
}

http::Response metrics_of(const AgentView& view, const host::HostRoot& host) {
  Result<std::vector<oci::UngrantedContainer>> ungranted =
      oci::read_ungranted(host, oci::kUngrantedDirectory);
  if (!ungranted) {
    log::warning("metrics", "{}", ungranted.error().message());
    ungranted = std::vector<oci::UngrantedContainer>();
  }
  return {200, std::string(metrics::kContentType),
          metrics_page(view, *ungranted)};
}

}  // namespace

Result<http::Server> serve_pages(const std::string& address, const Clock& clock,
                                 const std::string& host_root,
                                 std::function<AgentView()> look,
                                 std::function<AgentView()> look_kept) {
  TRY(http::Server pages, http::Server::listen(address, clock));
  // The loop that would be unhealthy is the one that answers.
  pages.serve("/healthz", [] { return ok(); });
  pages.serve("/readyz",
              [look = std::move(look)] { return readiness(look()); });
  pages.serve("/metrics", [host = host::HostRoot(host_root),
                           look_kept = std::move(look_kept)] {
    return metrics_of(look_kept(), host);
  });
  log::info("http", "listening on {}", pages.address());
  return pages;
}

}  // namespace gpunode::plugin
