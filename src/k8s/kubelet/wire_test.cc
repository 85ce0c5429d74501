// Field numbers and types are held against bytes computed by hand from the
// published API, so that an edit of deviceplugin.proto cannot go unnoticed.
#include "k8s/kubelet/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/deviceplugin.pb.h"

namespace gpunode::kubelet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A length-delimited field below 16, as protobuf writes it.
std::string field(int number, const std::string& content) {
  EXPECT_LT(content.size(), 128U);
  return {std::string{static_cast<char>(number << 3 | 2),
                      static_cast<char>(content.size())} +
          content};
}

// A varint field below 16 with a value below 128.
std::string number_field(int number, char value) {
  return {static_cast<char>(number << 3), value};
}

TEST(Wire, RegisterCarriesVersionEndpointNameAndOptions) {
  EXPECT_EQ(wire::encode(Registration{"nvidia-gpu.sock", "nvidia.com/gpu"}),
            "\x0a\x07v1beta1"
            "\x12\x0fnvidia-gpu.sock"
            "\x1a\x0envidia.com/gpu"
            "\x22\x02\x10\x01");
}

TEST(Wire, OptionsOfferPreferredAllocationAndNoPreStart) {
  EXPECT_EQ(wire::encode_options(), "\x10\x01");
}

TEST(Wire, ListNamesIdHealthAndNumaNodes) {
  const std::vector<Device> devices = {
      {"U0", true, {1}}, {"U1", false, {}}, {"U2", true, {0, 3}}};
  const std::string expected =
      field(1, field(1, "U0") + field(2, "Healthy") +
                   field(3, field(1, number_field(1, 1)))) +
      field(1, field(1, "U1") + field(2, "Unhealthy")) +
      // Node 0 is the default value: an empty NUMANode.
      field(1, field(1, "U2") + field(2, "Healthy") +
                   field(3, field(1, "") + field(1, number_field(1, 3))));
  EXPECT_EQ(wire::encode(devices), expected);
}

// The list is written by hand: protobuf must read back what was meant.
TEST(Wire, ListIsWhatProtobufReads) {
  const std::vector<Device> devices = {
      {std::string(300, 'x'), true, {0, 127, 128, 1 << 20}},
      {"U1", false, {-1}},
      {"U::19", true, {}}};
  v1beta1::ListAndWatchResponse read;
  ASSERT_TRUE(read.ParseFromString(wire::encode(devices)));
  ASSERT_EQ(read.devices_size(), 3);
  for (int i = 0; i < 3; ++i) {
    const Device& sent = devices[static_cast<std::size_t>(i)];
    EXPECT_EQ(read.devices(i).id(), sent.id);
    EXPECT_EQ(read.devices(i).health(),
              sent.is_healthy ? "Healthy" : "Unhealthy");
    EXPECT_EQ(read.devices(i).has_topology(), !sent.numa_nodes.empty());
    std::vector<std::int64_t> nodes;
    for (const auto& node : read.devices(i).topology().nodes()) {
      nodes.push_back(node.id());
    }
    EXPECT_EQ(nodes, sent.numa_nodes);
  }
  EXPECT_EQ(read.SerializeAsString(), wire::encode(devices)) << "no more";
}

TEST(Wire, EmptyListIsNoBytes) {
  EXPECT_EQ(wire::encode(std::vector<Device>()), "");
}

TEST(Wire, AllocationHasEveryFieldOfTheApi) {
  ContainerAllocation container;
  container.envs = {{"E", "1"}};
  container.mounts = {{"/c", "/h", true}};
  container.devices = {{"/dev/c", "/dev/h", "rw"}};
  container.annotations = {{"A", "2"}};
  container.cdi_devices = {"k=U0"};
  const std::string expected = field(
      1,
      field(1, field(1, "E") + field(2, "1")) +
          field(2, field(1, "/c") + field(2, "/h") + number_field(3, 1)) +
          field(3, field(1, "/dev/c") + field(2, "/dev/h") + field(3, "rw")) +
          field(4, field(1, "A") + field(2, "2")) + field(5, field(1, "k=U0")));
  EXPECT_EQ(wire::encode(std::vector<ContainerAllocation>{container}),
            expected);
}

TEST(Wire, ContainersKeepTheirOrder) {
  ContainerAllocation first;
  first.cdi_devices = {"a"};
  ContainerAllocation second;
  second.cdi_devices = {"b"};
  EXPECT_EQ(
      wire::encode(std::vector<ContainerAllocation>{first, second}),
      field(1, field(5, field(1, "a"))) + field(1, field(5, field(1, "b"))));
}

TEST(Wire, PreferredIdsAreFieldOne) {
  EXPECT_EQ(wire::encode_preferred({{"U1", "U0"}, {}}),
            field(1, field(1, "U1") + field(1, "U0")) + field(1, ""));
}

TEST(Wire, AllocateRequestIsRead) {
  const auto wanted = wire::decode_allocate(
      field(1, field(1, "U1") + field(1, "U0")) + field(1, ""));
  ASSERT_TRUE(wanted);
  EXPECT_THAT(*wanted, ElementsAre(ElementsAre("U1", "U0"), IsEmpty()));
}

TEST(Wire, PreferredRequestIsRead) {
  const auto wanted =
      wire::decode_preferred(field(1, field(1, "U0") + field(1, "U1") +
                                          field(2, "U1") + number_field(3, 2)));
  ASSERT_TRUE(wanted);
  ASSERT_EQ(wanted->size(), 1U);
  EXPECT_THAT(wanted->front().available, ElementsAre("U0", "U1"));
  EXPECT_THAT(wanted->front().must_include, ElementsAre("U1"));
  EXPECT_EQ(wanted->front().size, 2);
}

TEST(Wire, GarbageIsCorruptAndNamesTheCall) {
  const auto allocate = wire::decode_allocate("\xff\xff\xff");
  ASSERT_FALSE(allocate);
  EXPECT_EQ(allocate.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(allocate.error().message(), "Allocate: request does not parse");
  const auto preferred = wire::decode_preferred("\x0a\x7f");
  ASSERT_FALSE(preferred);
  EXPECT_EQ(preferred.error().code(), ErrorCode::kCorrupt);
}

TEST(Wire, UnknownFieldsOfANewerKubeletAreSkipped) {
  const auto wanted = wire::decode_allocate(
      field(1, field(1, "U1") + field(9, "new")) + field(15, "newer"));
  ASSERT_TRUE(wanted);
  EXPECT_THAT(*wanted, ElementsAre(ElementsAre("U1")));
}

}  // namespace
}  // namespace gpunode::kubelet
