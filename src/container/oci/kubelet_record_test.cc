#include "container/oci/kubelet_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::oci {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::string field(char number, const std::string& bytes) {
  return std::string(1, static_cast<char>((number << 3) | 2)) +
         static_cast<char>(bytes.size()) + bytes;
}

std::string pair(const std::string& first, const std::string& second) {
  return field(1, first) + field(2, second);
}

std::string base64(const std::string& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits <<= 8U;
      if (i + k < bytes.size()) {
        bits |= static_cast<unsigned char>(bytes[i + k]);
      }
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kDigits[(bits >> (18 - 6 * k)) & 63U];
    }
  }
  return out;
}

std::string entry(const std::string& uid, const std::string& container,
                  const std::string& response) {
  return R"({"PodUID":")" + uid + R"(","ContainerName":")" + container +
         R"(","ResourceName":"nvidia.com/gpu","DeviceIDs":{"-1":["U0"]},)" +
         R"("AllocResp":")" + base64(response) + R"("})";
}

std::string record(const std::string& entries) {
  return R"({"Data":{"PodDeviceEntries":[)" + entries +
         R"(],"RegisteredDevices":{"nvidia.com/gpu":["U0","U1"]}},)" +
         R"("Checksum":4215362837})";
}

TEST(KubeletRecord, HasTheWholeAnswerOfAContainer) {
  const std::string response =
      field(1, pair("NVIDIA_VISIBLE_DEVICES", "U1")) +
      field(2, pair("/var/run/nvidia-container-devices/U1", "/dev/null") +
                   std::string("\x18\x00", 2)) +
      field(3, pair("/dev/nvidia0", "/dev/nvidia0")) +
      field(4, pair("cdi.k8s.io/a", "n/g=U1")) + field(5, field(1, "n/g=U1"));
  const auto grant = find_grant(
      record(entry("p1", "other", "") + "," + entry("p2", "main", "") + "," +
             entry("p1", "main", response)),
      "record", "p1", "main");
  ASSERT_TRUE(grant) << grant.error().message();
  EXPECT_FALSE(grant->is_empty);
  EXPECT_THAT(grant->envs, ElementsAre(Pair("NVIDIA_VISIBLE_DEVICES", "U1")));
  EXPECT_THAT(grant->mount_paths,
              ElementsAre("/var/run/nvidia-container-devices/U1"));
  EXPECT_THAT(grant->annotations, ElementsAre(Pair("cdi.k8s.io/a", "n/g=U1")));
  EXPECT_THAT(grant->cdi_devices, ElementsAre("n/g=U1"));
}

TEST(KubeletRecord, WithoutAnEntryTheGrantIsEmpty) {
  for (const std::string& text :
       {record(entry("p1", "main", "")), record(""),
        std::string(R"({"Data":{"PodDeviceEntries":null}})")}) {
    const auto grant = find_grant(text, "record", "p2", "main");
    ASSERT_TRUE(grant) << grant.error().message();
    EXPECT_TRUE(grant->is_empty);
  }
}

TEST(KubeletRecord, SeveralResourcesAddUp) {
  const auto grant =
      find_grant(record(entry("p", "c", field(1, pair("A", "1"))) + "," +
                        entry("p", "c", field(1, pair("A", "2")))),
                 "record", "p", "c");
  EXPECT_THAT(grant->envs, ElementsAre(Pair("A", "1"), Pair("A", "2")));
}

TEST(KubeletRecord, AFormThatIsNotKnownIsAnErrorAndNotAGrantOfNothing) {
  for (const std::string& text :
       {std::string("{}"), std::string(R"({"Data":{}})"),
        std::string(R"({"Data":{"PodDevices":[]}})"),
        record(R"({"PodUID":"p","ContainerName":"c"})"),
        record(R"({"PodUID":"p","ContainerName":"c","AllocResp":null})")}) {
    const auto grant = find_grant(text, "record", "p", "c");
    ASSERT_FALSE(grant) << text;
    EXPECT_EQ(grant.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(grant.error().message(),
                testing::StartsWith("record: not the"));
  }
}

TEST(KubeletRecord, ABrokenOneIsAnError) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"),
        std::string(R"({"Data":[]})"),
        record(R"({"PodUID":"p","ContainerName":"c","AllocResp":"!"})"),
        record(entry("p", "c", "\xff\xff")),
        record(entry("p", "c", std::string("\x0a\x7f", 2)))}) {
    EXPECT_FALSE(find_grant(text, "record", "p", "c")) << text;
  }
}

RC_GTEST_PROP(KubeletRecord, AnyBytesAreAResponseOrAnError,
              (const std::string& bytes)) {
  Grant grant;
  static_cast<void>(add_allocate_response(bytes, grant));
  Grant whole;
  const std::string response = field(1, pair("A", bytes.substr(0, 60)));
  RC_ASSERT(add_allocate_response(response, whole).has_value());
  RC_ASSERT(whole.envs.at(0).second == bytes.substr(0, 60));
}

}  // namespace
}  // namespace gpunode::oci
