#include "agent/plugin/pod_holders.h"

#include <cstddef>
#include <system_error>
#include <utility>

#include "base/host/host_root.h"
#include "container/oci/device_record.h"
#include "k8s/kubelet/pod_resources.h"

namespace gpunode::plugin {
namespace {

/// Ten thousand ids and five hundred answers are a few megabytes.
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

Result<std::vector<Holder>> ask_kubelet(const HolderSources& sources) {
  if (sources.pod_resources_socket.empty()) {
    return Error(ErrorCode::kNotFound,
                 "--pod-resources-socket is empty: the kubelet is not asked "
                 "who holds devices");
  }
  TRY(auto holdings,
      kubelet::list_holdings(sources.pod_resources_socket, sources.patience));
  std::vector<Holder> holders;
  for (kubelet::Holding& one : holdings) {
    holders.push_back({std::move(one.pod_namespace), std::move(one.pod), "",
                       std::move(one.container), std::move(one.resource),
                       std::move(one.ids)});
  }
  return holders;
}

Result<std::vector<Holder>> read_checkpoint(const std::string& path) {
  TRY(const std::string text, host::HostRoot().read_file(path, kMostBytes));
  TRY(oci::DeviceRecord record, oci::read_device_record(text, path));
  std::vector<Holder> holders;
  for (oci::DeviceRecord::Holding& one : record.holdings) {
    holders.push_back({"", "", std::move(one.pod_uid), std::move(one.container),
                       std::move(one.resource), std::move(one.ids)});
  }
  return holders;
}

}  // namespace

Holders find_holders(const HolderSources& sources) {
  Result<std::vector<Holder>> asked = ask_kubelet(sources);
  if (asked) {
    Holders holders{Holders::Source::kPodResources, "", *std::move(asked)};
    if (sources.wants_both) {
      if (auto read = read_checkpoint(sources.checkpoint)) {
        holders.recorded = *std::move(read);
      }
    }
    return holders;
  }
  const std::string& why = asked.error().message();
  Result<std::vector<Holder>> read = read_checkpoint(sources.checkpoint);
  if (read) return {Holders::Source::kCheckpoint, why, *std::move(read)};
  return {Holders::Source::kNone, why + "; " + read.error().message(), {}};
}

HolderQuery::~HolderQuery() {
  if (thread_.joinable()) thread_.join();
}

bool HolderQuery::start() {
  if (thread_.joinable()) return false;
  try {
    thread_ = std::thread([this] { news_.post(find_holders(sources_)); });
  } catch (const std::system_error& error) {
    news_.post({Holders::Source::kNone,
                std::string("start a thread: ") + error.what(),
                {}});
  }
  return true;
}

std::vector<Holders> HolderQuery::take() {
  std::vector<Holders> answers = news_.take();
  if (!answers.empty() && thread_.joinable()) thread_.join();
  return answers;
}

}  // namespace gpunode::plugin
