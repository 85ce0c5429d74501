#include "agent/plugin/status_document.h"

#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

resource::Device shared(const std::string& uuid, unsigned gpu) {
  resource::Device device;
  device.id = device::DeviceId{uuid};
  device.gpu_id = device.id;
  device.gpu = device::Index{gpu};
  device.replicas = 20;
  return device;
}

AgentView two_shared_gpus() {
  AgentView view;
  view.has_seen_driver = true;
  view.driver_version = "545.23.08";
  device::Inventory inventory;
  for (const unsigned index : {0U, 1U}) {
    device::Gpu gpu;
    gpu.id = device::DeviceId{"GPU-" + std::to_string(index)};
    gpu.index = device::Index{index};
    gpu.name = "NVIDIA \"A10G\"";
    gpu.memory_bytes = 24ULL << 30;
    inventory.gpus.push_back(gpu);
  }
  view.inventory = std::make_shared<device::Inventory>(inventory);
  view.offered.push_back(std::make_shared<resource::Resource>(
      *resource::ResourceName::parse("nvidia.com/gpu"),
      std::vector<resource::Device>{shared("GPU-0", 0), shared("GPU-1", 1)},
      resource::Sharing{config::SharingStrategy::kTimeSlicing, false}));
  Publisher::Status status;
  status.resource_name = "nvidia.com/gpu";
  status.is_registered = true;
  view.resources.push_back(status);
  for (const char* id : {"GPU-0", "GPU-1"}) {
    view.devices.emplace_back(device::DeviceId{id}, device::Health{});
  }
  return view;
}

TEST(StatusDocument, CountsWhatTheKubeletIsOffered) {
  const std::string document = status_document(two_shared_gpus());
  EXPECT_THAT(document, HasSubstr("\"version\":1"));
  EXPECT_THAT(document, HasSubstr("\"name\":\"NVIDIA \\\"A10G\\\"\""));
  EXPECT_THAT(document, HasSubstr("\"sharing\":\"timeSlicing\","
                                  "\"capacity\":40,\"allocatable\":40"));
  EXPECT_THAT(document, HasSubstr("\"notReady\":[]"));
}

TEST(StatusDocument, SaysWhatIsUnhealthySinceWhen) {
  AgentView view = two_shared_gpus();
  view.devices[1].second = {false, "XID 79: GPU has fallen off the bus"};
  view.unhealthy_for[device::DeviceId{"GPU-1"}] = seconds(90);
  const std::string document = status_document(view);
  EXPECT_THAT(document,
              HasSubstr("\"unhealthy\":[{\"uuid\":\"GPU-1\",\"reason\":\"XID "
                        "79: GPU has fallen off the bus\",\"seconds\":90}]"));
  EXPECT_THAT(document, HasSubstr("\"capacity\":40,\"allocatable\":20"));
}

TEST(StatusDocument, ABlockedResourceHasNothing) {
  AgentView view = two_shared_gpus();
  view.blocked["nvidia.com/gpu"] = "no MPS daemon";
  const std::string document = status_document(view);
  EXPECT_THAT(document, HasSubstr("\"problem\":\"no MPS daemon\""));
  EXPECT_THAT(document, HasSubstr("\"capacity\":0,\"allocatable\":0"));
  EXPECT_THAT(document,
              HasSubstr("\"notReady\":[\"nvidia.com/gpu: no MPS daemon\"]"));
}

TEST(StatusDocument, SaysWhoChoseTheConfigurationAndWhatWasRefused) {
  AgentView view = two_shared_gpus();
  view.selection.emplace();
  view.selection->is_decided = true;
  view.selection->config = "shared";
  view.selection->chosen_by = "label";
  view.selection->refusal = "no such file";
  view.labels = LabelStatus{7, "forbidden", std::nullopt};
  const std::string document = status_document(view);
  EXPECT_THAT(document, HasSubstr("\"origin\":\"label\",\"file\":\"\","
                                  "\"name\":\"shared\""));
  EXPECT_THAT(document, HasSubstr("\"reloadProblem\":\"no such file\""));
  EXPECT_THAT(document, HasSubstr("\"labels\":{\"wanted\":true,\"count\":7,"
                                  "\"problem\":\"forbidden\"}"));
}

TEST(StatusDocument, WithoutADriverNamesTheReason) {
  AgentView view;
  view.driver_problem = "ERROR_LIBRARY_NOT_FOUND";
  const std::string document = status_document(view);
  EXPECT_THAT(document, HasSubstr("\"answers\":false"));
  EXPECT_THAT(document, HasSubstr("\"gpus\":[]"));
  EXPECT_THAT(document, HasSubstr("driver: ERROR_LIBRARY_NOT_FOUND"));
}

}  // namespace
}  // namespace gpunode::plugin
