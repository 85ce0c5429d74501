#include "agent/plugin/status_document.h"

#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/resource/allocation_id.h"

namespace gpunode::plugin {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

resource::Device shared(const std::string& uuid, unsigned gpu) {
  resource::Device device;
  device.id = device::DeviceId{uuid};
  device.gpu_id = device.id;
  device.gpu = device::Index{gpu};
  device.replicas = 20;
  return device;
}

std::string status_document(const AgentView& view) {
  return plugin::status_document(
      view, {Holders::Source::kNone, "nobody was asked", {}});
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

Holders some_holders() {
  return {
      Holders::Source::kPodResources,
      "",
      {{"a", "train", "", "main", "nvidia.com/gpu", {"GPU-0::0", "GPU-1::7"}},
       {"b", "infer", "", "main", "nvidia.com/gpu", {"GPU-1::8"}},
       {"b", "nic", "", "main", "rdma/hca", {"mlx5_0"}}}};
}

TEST(StatusDocument, SaysWhoHoldsWhatAndWhatIsLeft) {
  const std::string document =
      status_document(two_shared_gpus(), some_holders());
  EXPECT_THAT(document, HasSubstr("\"capacity\":40,\"allocatable\":40,"
                                  "\"held\":3,\"free\":37"));
  EXPECT_THAT(document, HasSubstr("\"gpu\":1,\"replicas\":20,\"held\":2,"
                                  "\"free\":18"));
  EXPECT_THAT(document,
              HasSubstr("\"holders\":{\"source\":\"podResources\","
                        "\"problem\":\"\",\"items\":[{\"namespace\":\"a\","
                        "\"pod\":\"train\",\"uid\":\"\","
                        "\"container\":\"main\","
                        "\"resource\":\"nvidia.com/gpu\","
                        "\"ids\":[\"GPU-0::0\",\"GPU-1::7\"],"
                        "\"allocation\":\""));
  EXPECT_THAT(document, Not(HasSubstr("rdma")));
}

TEST(StatusDocument, SaysWhatAHolderHasOfAGpusTime) {
  AgentView view = two_shared_gpus();
  const Holders holders = some_holders();
  EXPECT_THAT(status_document(view, holders), HasSubstr("\"compute\":[]"));
  ShareUse use;
  use.allocation_id =
      resource::allocation_id("nvidia.com/gpu", holders.items[1].ids);
  share::DeviceHeld held;
  held.uuid = "GPU-1";
  held.time = {250, share::TurnPolicy::kBurst};
  use.look.devices = {held};
  share::TurnUse& turns = use.turns["GPU-1"];
  turns.used = std::chrono::milliseconds(12'345);
  turns.waited = std::chrono::microseconds(4'499);
  turns.turns = 7;
  turns.sums.launches = 99;
  turns.is_persistent = true;
  view.shares = {use};
  const std::string compute =
      "\"compute\":[{\"device\":\"GPU-1\",\"part\":250,"
      "\"policy\":\"burst\",\"priority\":0,\"gpuSeconds\":12.345,"
      "\"throttledSeconds\":0.004,\"turns\":7,\"launches\":99,"
      "\"persistent\":true";
  EXPECT_THAT(status_document(view, holders), HasSubstr(compute + "}]"));
  view.compute_lives[{use.allocation_id, "GPU-1"}] = {seconds(60), 123, 500};
  EXPECT_THAT(status_document(view, holders),
              HasSubstr(compute + ",\"observedSeconds\":60,\"meanPart\":123,"
                                  "\"peakPart\":500}]"));
}

TEST(StatusDocument, NothingOfAnUnhealthyDeviceIsFree) {
  AgentView view = two_shared_gpus();
  view.devices[1].second = {false, "XID 79"};
  EXPECT_THAT(status_document(view, some_holders()),
              HasSubstr("\"capacity\":40,\"allocatable\":20,"
                        "\"held\":3,\"free\":19"));
}

TEST(StatusDocument, NothingOfABlockedResourceIsFree) {
  AgentView view = two_shared_gpus();
  view.blocked["nvidia.com/gpu"] = "no MPS daemon";
  EXPECT_THAT(status_document(view, some_holders()),
              HasSubstr("\"held\":3,\"free\":0"));
}

TEST(StatusDocument, WhatNobodyCouldTellIsNotCounted) {
  const std::string document = status_document(two_shared_gpus());
  EXPECT_THAT(document, Not(HasSubstr("\"free\"")));
  EXPECT_THAT(document, HasSubstr("\"holders\":{\"source\":\"none\","
                                  "\"problem\":\"nobody was asked\","
                                  "\"items\":[]}"));
}

TEST(StatusDocument, APodKeepsWhatAnotherConfigurationGaveIt) {
  const Holders holders{
      Holders::Source::kCheckpoint,
      "why",
      {{"", "", "u-1", "c", "nvidia.com/gpu.old", {"GPU-0::0"}},
       {"", "", "u-2", "c", "nvidia.com/gpu", {"GPU-0::99"}}}};
  const std::string document = status_document(two_shared_gpus(), holders);
  EXPECT_THAT(document, HasSubstr("\"uid\":\"u-1\""));
  EXPECT_THAT(document, HasSubstr("\"GPU-0::99\""));
  EXPECT_THAT(document, HasSubstr("\"held\":0,\"free\":40"));
}

}  // namespace
}  // namespace gpunode::plugin
