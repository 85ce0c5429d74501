#include "node/provision/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/text/base64.h"
#include "base/text/node.h"
#include "base/text/yaml.h"

namespace gpunode::provision {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kSpec =
    "kind: GPUNode\nspec: {note: \"{{ 7 }} 'x' $HOME\"}\n";
const std::string kDigest(64, 'a');

Delivery in_image() {
  return {.spec = kSpec};
}

Delivery fetched() {
  return {.spec = kSpec,
          .program_url = "https://files.example/gpunode?v=1",
          .program_sha256 = kDigest};
}

const text::Node* at(const text::Node& node, std::string_view key) {
  const text::Entry* entry = node.find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

/// The text of a file of write_files; "-" where it is not written.
std::string written(const std::string& config, const std::string& path) {
  const auto document = text::parse_yaml(config, "user-data");
  EXPECT_TRUE(document) << config;
  for (const text::Node& file : at(document->root, "write_files")->items) {
    if (at(file, "path")->scalar != path) continue;
    return text::decode_base64(at(file, "content")->scalar).value_or("?");
  }
  return "-";
}

TEST(Delivery, CloudInitWritesFileAndUnitAndStartsIt) {
  const std::string config = cloud_config(in_image());
  EXPECT_THAT(config, StartsWith("#cloud-config\n"));
  EXPECT_EQ(written(config, "/etc/gpunode/node.yaml"), kSpec);
  EXPECT_EQ(written(config, "/etc/systemd/system/gpunode-first.service"),
            first_boot_unit(in_image()));
  EXPECT_EQ(written(config, "/etc/gpunode/program.sha256"), "-");
  EXPECT_THAT(config, HasSubstr("--no-block, gpunode-first.service]"));
}

TEST(Delivery, AProgramFromElsewhereIsProvedBeforeItRuns) {
  const std::string unit = first_boot_unit(fetched());
  const std::size_t fetch = unit.find("https://files.example/gpunode?v=1");
  const std::size_t prove = unit.find("sha256sum --check --strict");
  const std::size_t place = unit.find("install --mode=0755");
  const std::size_t run = unit.find("ExecStart=/usr/local/bin/gpunode apply");
  EXPECT_LT(fetch, prove);
  EXPECT_LT(prove, place);
  EXPECT_LT(place, run);
  EXPECT_NE(run, std::string::npos);
  EXPECT_EQ(written(cloud_config(fetched()), "/etc/gpunode/program.sha256"),
            kDigest + "  /etc/gpunode/program\n");
  EXPECT_THAT(first_boot_unit(in_image()),
              AllOf(Not(HasSubstr("curl")),
                    HasSubstr("ExecStart=/usr/bin/gpunode apply --yes")));
}

TEST(Delivery, IgnitionHasTheSame) {
  const json config = json::parse(ignition_config(fetched()), nullptr, false);
  ASSERT_TRUE(config.is_object());
  EXPECT_EQ(config["ignition"]["version"], "3.3.0");
  const std::string source =
      config["storage"]["files"][0]["contents"]["source"];
  ASSERT_THAT(source, StartsWith("data:;base64,"));
  EXPECT_EQ(text::decode_base64(source.substr(13)), kSpec);
  EXPECT_EQ(config["storage"]["files"][0]["mode"], 0600);
  EXPECT_EQ(config["systemd"]["units"][0]["contents"],
            first_boot_unit(fetched()));
}

TEST(Delivery, AnsibleTakesTheFileAsItIs) {
  const auto document = text::parse_yaml(ansible_playbook(in_image()), "play");
  ASSERT_TRUE(document) << document.error().message();
  const text::Node* tasks = at(document->root.items.front(), "tasks");
  EXPECT_EQ(at(*at(tasks->items[1], "ansible.builtin.copy"), "content")->scalar,
            kSpec);
  EXPECT_THAT(ansible_playbook(in_image()), Not(HasSubstr("get_url")));
  EXPECT_THAT(ansible_playbook(fetched()),
              HasSubstr("checksum: \"sha256:" + kDigest + "\""));
}

TEST(Delivery, TheFirstBootIsOverOnceItHasEndedWell) {
  const std::string unit = first_boot_unit(in_image());
  constexpr const char* kStamp = "/var/lib/gpunode/first-boot-done";
  EXPECT_THAT(unit,
              AllOf(HasSubstr(std::string("ConditionPathExists=!") + kStamp),
                    HasSubstr(std::string("/dev/null ") + kStamp),
                    HasSubstr("After=network-online.target "
                              "gpunode-resume.service\n")));
  EXPECT_LT(unit.find("apply --yes"), unit.find("ExecStartPost="));
}

TEST(Delivery, AFileThatNeedsTheRuntimeNeedsThePackage) {
  Delivery delivery = fetched();
  delivery.needs_runtime = true;
  const auto checked = check_delivery(delivery);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("gpunode-runtime"));
  delivery = in_image();
  delivery.needs_runtime = true;
  EXPECT_TRUE(check_delivery(delivery));
}

TEST(Delivery, TenChangesAreNotNone) {
  EXPECT_THAT(ansible_playbook(in_image()),
              HasSubstr("search('(^|[^0-9])0 to change')"));
}

TEST(Delivery, WhatCouldNotBeTrustedIsRefused) {
  EXPECT_TRUE(check_delivery(in_image()));
  EXPECT_TRUE(check_delivery(fetched()));
  struct Case {
    const char* url;
    std::string digest;
    const char* words;
  };
  for (const Case& one :
       {Case{"http://files.example/gpunode", kDigest, "not https"},
        Case{"https://files.example/gpunode", "", "64 lower-case hex"},
        Case{"https://files.example/gpunode", std::string(64, 'A'),
             "64 lower-case hex"},
        Case{"https://files.example/a b", kDigest, "characters"},
        Case{"https://files.example/%n", kDigest, "characters"},
        Case{"https://files.example/$X", kDigest, "characters"},
        Case{"https://files.example/\nExecStart=/bin/x", kDigest, "characters"},
        Case{"", kDigest, "of no program"}}) {
    const auto checked = check_delivery(
        {.spec = "", .program_url = one.url, .program_sha256 = one.digest});
    ASSERT_FALSE(checked) << one.url;
    EXPECT_THAT(checked.error().message(), HasSubstr(one.words));
  }
}

}  // namespace
}  // namespace gpunode::provision
