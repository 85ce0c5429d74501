#include "tests/doubles/kubelet/kubelet_double.h"

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "k8s/kubelet/deviceplugin.grpc.pb.h"

namespace gpunode::doubles {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kUnknown = 2;  // What Go's plain errors become.

std::int64_t now_ns() {
  return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
}

// The kubelet's rule for extended resources, in short.
bool is_extended_resource(const std::string& name) {
  const std::size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < name.size() &&
         name.find("kubernetes.io/") == std::string::npos &&
         name.rfind("requests.", 0) != 0;
}

void remove_sockets(const fs::path& directory) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.is_socket(ignored)) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

class KubeletDouble::Service final : public v1beta1::Registration::Service {
 public:
  explicit Service(KubeletDouble& owner) : owner_(owner) {}

  bool listen(const fs::path& socket) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("unix:" + socket.string(),
                             grpc::InsecureServerCredentials(), &port);
    // gRPC's synchronous servers sometimes miss their own shutdown until this
    // passes; it is ten seconds unless told.
    builder.SetSyncServerOption(
        grpc::ServerBuilder::SyncServerOption::CQ_TIMEOUT_MSEC, 50);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    return server_ != nullptr && port != 0;
  }

  void shut_down() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status Register(grpc::ServerContext* /*context*/,
                        const v1beta1::RegisterRequest* request,
                        v1beta1::Empty* /*response*/) override {
    Registered registered;
    registered.arrived_ns = now_ns();
    registered.resource_name = request->resource_name();
    registered.endpoint = request->endpoint();
    registered.version = request->version();
    registered.pre_start_required = request->options().pre_start_required();
    registered.get_preferred_allocation_available =
        request->options().get_preferred_allocation_available();
    const CallStatus status = owner_.take_registration(std::move(registered));
    return {static_cast<grpc::StatusCode>(status.code), status.message};
  }

 private:
  KubeletDouble& owner_;
  std::unique_ptr<grpc::Server> server_;
};

KubeletDouble::KubeletDouble(fs::path directory)
    : directory_(std::move(directory)) {}

Result<std::unique_ptr<KubeletDouble>> KubeletDouble::start(
    const fs::path& directory) {
  std::unique_ptr<KubeletDouble> made(new KubeletDouble(directory));
  TRY_VOID(made->listen());
  return made;
}

KubeletDouble::~KubeletDouble() {
  pod_resources_.reset();
  stop_serving();
}

Result<void> KubeletDouble::listen() {
  remove_sockets(directory_);
  service_ = std::make_unique<Service>(*this);
  if (!service_->listen(socket())) {
    return Error(ErrorCode::kInternal, "listen on " + socket().string());
  }
  return {};
}

void KubeletDouble::stop_serving() {
  std::map<std::string, Plugin> leaving;
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  service_->shut_down();
  {
    const MutexLock lock(mutex_);
    leaving.swap(plugins_);
    is_stopping_ = false;
  }
  // Outside the lock: the clients' threads, joined here, may want it.
}

Result<void> KubeletDouble::restart() {
  stop_serving();
  return listen();
}

void KubeletDouble::remove_socket() {
  std::error_code ignored;
  fs::remove(socket(), ignored);
}

CallStatus KubeletDouble::take_registration(Registered registered) {
  {
    const MutexLock lock(mutex_);
    ++attempts_;
    changed_.notify_all();
    while (is_hanging_ && !is_stopping_) changed_.wait(mutex_);
    if (!refusal_.empty()) return {kUnknown, refusal_};
    if (registered.version != version_) {
      return {kUnknown,
              fmt::format("requested API version \"{}\" is not supported by "
                          "kubelet. Supported versions are [\"{}\"]",
                          registered.version, version_)};
    }
  }
  if (!is_extended_resource(registered.resource_name)) {
    return {kUnknown, fmt::format("the ResourceName \"{}\" is invalid",
                                  registered.resource_name)};
  }
  return dial_back(std::move(registered));
}

// Within Register, as kubelets since 1.25 do: a plugin that cannot be called
// before Register returns is a plugin that does not register.
CallStatus KubeletDouble::dial_back(Registered registered) {
  const std::string resource = registered.resource_name;
  auto connected = PluginClient::connect(directory_ / registered.endpoint);
  if (!connected) return {kUnknown, connected.error().message()};
  const std::shared_ptr<PluginClient> client = *std::move(connected);
  const PluginOptions options = client->options();
  if (!options.ok()) return {kUnknown, options.message};
  // The kubelet goes by what the plugin answers, not by what it registered.
  registered.get_preferred_allocation_available =
      options.get_preferred_allocation_available;
  registered.pre_start_required = options.pre_start_required;

  Plugin replaced;
  std::uint64_t count = 0;
  {
    const MutexLock lock(mutex_);
    count = registered.count = ++counts_[resource];
    if (observer_.on_registration) observer_.on_registration(registered);
    Plugin& plugin = plugins_[resource];
    replaced = std::exchange(plugin, Plugin{registered, client, {}, {}});
    changed_.notify_all();
  }
  // What comes of a stream that has been replaced is not news.
  client->watch(
      [this, resource, count](DeviceList list) {
        const MutexLock lock(mutex_);
        const auto found = plugins_.find(resource);
        if (found == plugins_.end()) return;
        if (found->second.registered.count != count) return;
        if (observer_.on_list) observer_.on_list(resource, list);
        found->second.list = std::move(list);
        changed_.notify_all();
      },
      [this, resource, count](CallStatus end) {
        const MutexLock lock(mutex_);
        const auto found = plugins_.find(resource);
        if (found == plugins_.end()) return;
        if (found->second.registered.count != count) return;
        if (observer_.on_end) observer_.on_end(resource, end);
        found->second.end = std::move(end);
        changed_.notify_all();
      });
  return {};
}

bool KubeletDouble::has_stopped(Clock::time_point deadline) {
  return changed_.wait_until(mutex_, deadline) == std::cv_status::timeout;
}

std::optional<Registered> KubeletDouble::wait_for_registration(
    const std::string& resource, std::uint64_t count, Timeout timeout) {
  const auto deadline = Clock::now() + timeout;
  const MutexLock lock(mutex_);
  for (;;) {
    const auto found = plugins_.find(resource);
    if (found != plugins_.end() && found->second.registered.count >= count) {
      return found->second.registered;
    }
    if (has_stopped(deadline)) return {};
  }
}

std::optional<DeviceList> KubeletDouble::wait_for_list(
    const std::string& resource,
    const std::function<bool(const DeviceList&)>& is_right, Timeout timeout) {
  const auto deadline = Clock::now() + timeout;
  const MutexLock lock(mutex_);
  for (;;) {
    const auto found = plugins_.find(resource);
    if (found != plugins_.end() && found->second.list &&
        is_right(*found->second.list)) {
      return found->second.list;
    }
    if (has_stopped(deadline)) return {};
  }
}

std::optional<CallStatus> KubeletDouble::wait_for_end(
    const std::string& resource, Timeout timeout) {
  const auto deadline = Clock::now() + timeout;
  const MutexLock lock(mutex_);
  for (;;) {
    const auto found = plugins_.find(resource);
    if (found != plugins_.end() && found->second.end) return found->second.end;
    if (has_stopped(deadline)) return {};
  }
}

std::uint64_t KubeletDouble::attempts() const {
  const MutexLock lock(mutex_);
  return attempts_;
}

bool KubeletDouble::wait_for_attempts(std::uint64_t count, Timeout timeout) {
  const auto deadline = Clock::now() + timeout;
  const MutexLock lock(mutex_);
  while (attempts_ < count) {
    if (has_stopped(deadline)) return false;
  }
  return true;
}

std::shared_ptr<PluginClient> KubeletDouble::plugin(
    const std::string& resource) const {
  const MutexLock lock(mutex_);
  const auto found = plugins_.find(resource);
  return found == plugins_.end() ? nullptr : found->second.client;
}

AllocateOutcome KubeletDouble::allocate(const std::string& resource,
                                        const std::vector<std::string>& ids) {
  const auto client = plugin(resource);
  if (client) return client->allocate({ids});
  AllocateOutcome outcome;
  outcome.code = kUnknown;
  outcome.message = resource + " is not registered";
  return outcome;
}

std::vector<std::string> KubeletDouble::free_ids(
    const std::string& resource) const {
  std::vector<std::string> ids;
  const auto plugin = plugins_.find(resource);
  if (plugin == plugins_.end() || !plugin->second.list) return ids;
  const auto taken = taken_.find(resource);
  for (const kubelet::Device& device : plugin->second.list->devices) {
    const bool is_taken =
        taken != taken_.end() && taken->second.count(device.id) != 0;
    if (device.is_healthy && !is_taken) ids.push_back(device.id);
  }
  return ids;
}

Admission KubeletDouble::admit(const std::string& pod,
                               const std::string& resource, std::size_t count) {
  Admission admission;
  std::vector<std::string> candidates;
  std::shared_ptr<PluginClient> client;
  bool has_preference = false;
  {
    const MutexLock lock(mutex_);
    candidates = free_ids(resource);
    if (candidates.size() < count) {
      admission.message = "Insufficient " + resource;
      return admission;
    }
    const Plugin& plugin = plugins_.at(resource);
    client = plugin.client;
    has_preference = plugin.registered.get_preferred_allocation_available;
  }
  const auto fail = [&](const CallStatus& status) {
    admission.message = fmt::format(
        "Allocate failed due to rpc error: code = {} desc = {}, which is "
        "unexpected",
        status.code == kUnknown ? "Unknown" : std::to_string(status.code),
        status.message);
    return admission;
  };
  if (has_preference && count < candidates.size()) {
    const PreferredOutcome preferred =
        client->prefer({{candidates, {}, static_cast<std::int32_t>(count)}});
    if (!preferred.ok()) return fail(preferred);
    // A preference binds nobody: only what is free counts, the rest is filled
    // up in the order of the list.
    const std::vector<std::string> wishes = preferred.containers.empty()
                                                ? std::vector<std::string>()
                                                : preferred.containers.front();
    std::stable_partition(
        candidates.begin(), candidates.end(), [&](const std::string& id) {
          return std::find(wishes.begin(), wishes.end(), id) != wishes.end();
        });
  }
  candidates.resize(count);
  AllocateOutcome allocated = client->allocate({candidates});
  if (!allocated.ok()) return fail(allocated);
  if (allocated.containers.size() != 1) {
    admission.message = "Allocate answered for no or several containers";
    return admission;
  }
  const MutexLock lock(mutex_);
  for (const std::string& id : candidates) taken_[resource][id] = pod;
  admission.is_admitted = true;
  admission.ids = std::move(candidates);
  admission.container = std::move(allocated.containers.front());
  return admission;
}

void KubeletDouble::release(const std::string& pod) {
  const MutexLock lock(mutex_);
  for (auto& [resource, holders] : taken_) {
    for (auto i = holders.begin(); i != holders.end();) {
      i = i->second == pod ? holders.erase(i) : std::next(i);
    }
  }
}

std::string KubeletDouble::uid_of(const std::string& pod) {
  return fmt::format("{:08x}-0000-4000-8000-000000000000",
                     std::hash<std::string>()(pod) & 0xffffffffU);
}

std::vector<kubelet::Holding> KubeletDouble::holdings() const {
  const MutexLock lock(mutex_);
  std::vector<kubelet::Holding> all;
  for (const auto& [resource, holders] : taken_) {
    std::map<std::string, std::vector<std::string>> of_pod;
    for (const auto& [id, pod] : holders) of_pod[pod].push_back(id);
    for (auto& [pod, ids] : of_pod) {
      const std::size_t slash = pod.find('/');
      const bool has_space = slash != std::string::npos;
      all.push_back({has_space ? pod.substr(0, slash) : "default",
                     has_space ? pod.substr(slash + 1) : pod, "main", resource,
                     std::move(ids)});
    }
  }
  return all;
}

Result<void> KubeletDouble::serve_pod_resources(PodResourcesForm form) {
  std::error_code ignored;
  fs::create_directories(pod_resources_socket().parent_path(), ignored);
  TRY(pod_resources_, PodResourcesDouble::start(pod_resources_socket(), form,
                                                [this] { return holdings(); }));
  return {};
}

Result<void> KubeletDouble::write_checkpoint() const {
  std::vector<std::string> entries;
  for (const kubelet::Holding& one : holdings()) {
    const std::string pod = one.pod_namespace == "default"
                                ? one.pod
                                : one.pod_namespace + "/" + one.pod;
    entries.push_back(fmt::format(
        R"({{"PodUID":"{}","ContainerName":"{}","ResourceName":"{}",)"
        R"("DeviceIDs":{{"-1":["{}"]}},"AllocResp":""}})",
        uid_of(pod), one.container, one.resource, fmt::join(one.ids, "\",\"")));
  }
  std::vector<std::string> registered;
  {
    const MutexLock lock(mutex_);
    for (const auto& [resource, plugin] : plugins_) {
      std::vector<std::string> ids;
      if (plugin.list) {
        for (const kubelet::Device& device : plugin.list->devices) {
          if (device.is_healthy) ids.push_back(device.id);
        }
      }
      registered.push_back(
          fmt::format(R"("{}":["{}"])", resource, fmt::join(ids, "\",\"")));
    }
  }
  std::ofstream file(directory_ / "kubelet_internal_checkpoint");
  file << fmt::format(
      R"({{"Data":{{"PodDeviceEntries":[{}],"RegisteredDevices":{{{}}}}},)"
      R"("Checksum":1}})",
      fmt::join(entries, ","), fmt::join(registered, ","));
  file.close();
  if (!file) return Error(ErrorCode::kInternal, "write the checkpoint");
  return {};
}

std::size_t KubeletDouble::allocatable(const std::string& resource) const {
  const MutexLock lock(mutex_);
  const auto found = plugins_.find(resource);
  return found == plugins_.end() || !found->second.list
             ? 0
             : found->second.list->healthy();
}

std::size_t KubeletDouble::available(const std::string& resource) const {
  const MutexLock lock(mutex_);
  return free_ids(resource).size();
}

void KubeletDouble::refuse_registrations(std::string message) {
  const MutexLock lock(mutex_);
  refusal_ = std::move(message);
}

void KubeletDouble::hang_registrations(bool is_hanging) {
  const MutexLock lock(mutex_);
  is_hanging_ = is_hanging;
  changed_.notify_all();
}

void KubeletDouble::speak_version(std::string version) {
  const MutexLock lock(mutex_);
  version_ = std::move(version);
}

void KubeletDouble::set_observer(Observer observer) {
  const MutexLock lock(mutex_);
  observer_ = std::move(observer);
}

}  // namespace gpunode::doubles
