// kubelet-double run --dir DIR: try any device plugin by hand.
//
// Prints registrations and lists as they come; takes commands on standard
// input, one a line, and answers each with lines that end in "ok" or "failed".
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/doubles/kubelet/kubelet_double.h"

namespace gpunode::doubles {
namespace {

constexpr const char* kUsage =
    "usage: kubelet-double run --dir DIR\n"
    "Listens on DIR/kubelet.sock for device plugins, whose sockets it expects "
    "in DIR. Who holds what is told on DIR/pod-resources/kubelet.sock.\n"
    "commands on standard input; POD is NAMESPACE/NAME, or a name in default:\n"
    "  allocate RESOURCE COUNT [POD]\n"
    "                             admit a Pod that asks for COUNT devices\n"
    "  ids RESOURCE ID...         Allocate these very ids\n"
    "  prefer RESOURCE COUNT      what the plugin would choose of all devices\n"
    "  release POD                the Pod ends\n"
    "  list RESOURCE              the device list\n"
    "  restart                    restart the kubelet\n"
    "  quit\n";

void print(const std::string& text) {
  std::cout << text << std::endl;  // Flushed: people and pipes wait for it.
}

void show(const kubelet::ContainerAllocation& container) {
  for (const auto& [name, value] : container.envs) {
    print(fmt::format("  env {}={}", name, value));
  }
  for (const auto& mount : container.mounts) {
    print(fmt::format("  mount {} -> {}{}", mount.host_path,
                      mount.container_path, mount.read_only ? " ro" : ""));
  }
  for (const auto& device : container.devices) {
    print(fmt::format("  device {} -> {} {}", device.host_path,
                      device.container_path, device.permissions));
  }
  for (const auto& [name, value] : container.annotations) {
    print(fmt::format("  annotation {}={}", name, value));
  }
  for (const auto& name : container.cdi_devices) {
    print(fmt::format("  cdi {}", name));
  }
}

class Console {
 public:
  explicit Console(KubeletDouble& node) : node_(node) {}

  // Returns false at "quit".
  bool execute(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string resource;
    words >> verb >> resource;
    if (verb.empty()) return true;
    if (verb == "quit") return false;
    bool is_done = false;
    if (verb == "allocate") {
      std::size_t count = 0;
      std::string pod;
      if (words >> count) {
        if (!(words >> pod)) pod = fmt::format("pod-{}", ++pods_);
        is_done = admit(pod, resource, count);
      }
    } else if (verb == "ids") {
      is_done = allocate(resource, {std::istream_iterator<std::string>(words),
                                    std::istream_iterator<std::string>()});
    } else if (verb == "prefer") {
      std::int32_t count = 0;
      is_done = words >> count && prefer(resource, count);
    } else if (verb == "release") {
      node_.release(resource);
      is_done = true;
    } else if (verb == "list") {
      is_done = list(resource);
    } else if (verb == "restart") {
      is_done = node_.restart().has_value();
    } else {
      print(kUsage);
    }
    print(is_done ? "ok" : "failed");
    return true;
  }

 private:
  bool admit(const std::string& pod, const std::string& resource,
             std::size_t count) {
    const Admission admission = node_.admit(pod, resource, count);
    if (!admission.is_admitted) {
      print(fmt::format("{} refused: {}", pod, admission.message));
      return false;
    }
    print(fmt::format("{} admitted: {}", pod, fmt::join(admission.ids, ",")));
    show(admission.container);
    return true;
  }

  bool allocate(const std::string& resource,
                const std::vector<std::string>& ids) {
    const AllocateOutcome outcome = node_.allocate(resource, ids);
    if (!outcome.ok()) {
      print(fmt::format("code {}: {}", outcome.code, outcome.message));
    }
    for (const auto& container : outcome.containers) show(container);
    return outcome.ok();
  }

  bool prefer(const std::string& resource, std::int32_t count) {
    const auto list = latest(resource);
    const auto plugin = node_.plugin(resource);
    if (!list || !plugin) return false;
    kubelet::PreferredAllocationRequest request;
    for (const auto& device : list->devices) {
      request.available.push_back(device.id);
    }
    request.size = count;
    const PreferredOutcome outcome = plugin->prefer({request});
    if (!outcome.ok()) {
      print(fmt::format("code {}: {}", outcome.code, outcome.message));
    }
    for (const auto& ids : outcome.containers) {
      print(fmt::format("preferred: {}", fmt::join(ids, ",")));
    }
    return outcome.ok();
  }

  bool list(const std::string& resource) {
    const auto list = latest(resource);
    if (!list) return false;
    for (const auto& device : list->devices) {
      print(fmt::format("  {} {} numa=[{}]", device.id,
                        device.is_healthy ? "Healthy" : "Unhealthy",
                        fmt::join(device.numa_nodes, ",")));
    }
    return true;
  }

  std::optional<DeviceList> latest(const std::string& resource) {
    return node_.wait_for_list(
        resource, [](const DeviceList&) { return true; },
        std::chrono::milliseconds(0));
  }

  KubeletDouble& node_;
  int pods_ = 0;
};

KubeletDouble::Observer printing_observer() {
  KubeletDouble::Observer observer;
  observer.on_registration = [](const Registered& registered) {
    print(fmt::format(
        "registered {} endpoint={} version={} preferred={} "
        "pre_start={} at={}",
        registered.resource_name, registered.endpoint, registered.version,
        registered.get_preferred_allocation_available,
        registered.pre_start_required, registered.arrived_ns));
  };
  observer.on_list = [](const std::string& resource, const DeviceList& list) {
    print(fmt::format("list {} number={} devices={} healthy={} at={}", resource,
                      list.number, list.devices.size(), list.healthy(),
                      list.arrived_ns));
  };
  observer.on_end = [](const std::string& resource, const CallStatus& end) {
    print(fmt::format("end {} code={} {}", resource, end.code, end.message));
  };
  return observer;
}

int run(const std::string& directory) {
  auto node = KubeletDouble::start(directory);
  if (!node) {
    std::cerr << "kubelet-double: " << node.error().message() << '\n';
    return 1;
  }
  (*node)->set_observer(printing_observer());
  if (const auto served = (*node)->serve_pod_resources(); !served) {
    std::cerr << "kubelet-double: " << served.error().message() << '\n';
    return 1;
  }
  print("listening " + (*node)->socket().string());
  Console console(**node);
  for (std::string line; std::getline(std::cin, line);) {
    if (!console.execute(line)) break;
  }
  return 0;
}

}  // namespace
}  // namespace gpunode::doubles

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() != 3 || words[0] != "run" || words[1] != "--dir") {
    std::cerr << gpunode::doubles::kUsage;
    return 64;
  }
  return gpunode::doubles::run(words[2]);
}
