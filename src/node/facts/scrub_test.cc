#include "node/facts/scrub.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;
using testing::MatchesRegex;
using testing::Not;

constexpr ScrubKey kKey = {1, 2,  3,  4,  5,  6,  7,  8,
                           9, 10, 11, 12, 13, 14, 15, 16};
constexpr ScrubKey kOtherKey = {};

TEST(Scrubber, PutsTagsInThePlaceOfSecrets) {
  const Scrubber scrubber(kKey);
  EXPECT_THAT(scrubber.scrub("password = hunter2\nuser = me\n"),
              MatchesRegex("password = scrubbed-[0-9a-f]{12}\nuser = me\n"));
  EXPECT_EQ(scrubber.scrub("version = 2\n[plugins]\n"),
            "version = 2\n[plugins]\n");
}

TEST(Scrubber, GivesOneValueOneHashUnderOneKey) {
  const Scrubber scrubber(kKey);
  EXPECT_EQ(scrubber.tag("hunter2"), scrubber.tag("hunter2"));
  EXPECT_NE(scrubber.tag("hunter2"), scrubber.tag("hunter3"));
  EXPECT_NE(scrubber.tag("hunter2"), Scrubber(kOtherKey).tag("hunter2"));
  EXPECT_NE(scrubber.tag({"a\0", 2}), scrubber.tag("a"));
}

TEST(Scrubber, LeavesNothingMoreToScrub) {
  const Scrubber scrubber(kKey);
  const std::string once = scrubber.scrub("token: abcdef.0123456789abcdef");
  EXPECT_EQ(scrubber.scrub(once), once);
}

TEST(Scrubber, KeepsTheFormOfIdentities) {
  Scrubber scrubber(kKey);
  scrubber.learn("AWS22F5A5BBD1F4A9D52\n");
  scrubber.learn("0123456789abcdef0123456789abcdef");
  EXPECT_THAT(scrubber.scrub("AWS22F5A5BBD1F4A9D52"),
              MatchesRegex("AWS[0-9]{2}[A-Z][0-9][A-Z][0-9][A-Z]{3}[0-9]"
                           "[A-Z][0-9][A-Z][0-9][A-Z][0-9]{2}"));
  const std::string id = scrubber.scrub("0123456789abcdef0123456789abcdef");
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(id, "0123456789abcdef0123456789abcdef");
}

TEST(Scrubber, FindsIdentitiesWhereverTheyAre) {
  Scrubber scrubber(kKey);
  scrubber.learn("vol0123456789abcdef0");
  const std::string hashed = scrubber.alike("vol0123456789abcdef0");
  EXPECT_EQ(scrubber.scrub("nvme-Amazon_EBS_vol0123456789abcdef0-part1"),
            "nvme-Amazon_EBS_" + hashed + "-part1");
  // As NVMe's world-wide names spell it: "vol0…" in hexadecimal.
  EXPECT_THAT(scrubber.scrub("nvme.1d0f-766f6c30313233343536373839616263646566"
                             "30-416d617a6f6e-00000001"),
              AllOf(Not(HasSubstr("766f6c3031323334")),
                    MatchesRegex("nvme.1d0f-766f6c[0-9a-f]{34}-"
                                 "416d617a6f6e-00000001")));
}

TEST(Scrubber, TakesShortIdentitiesAsWholeWordsAlone) {
  Scrubber scrubber(kKey);
  scrubber.learn("1a2b3");
  EXPECT_EQ(scrubber.scrub("x1a2b3 1a2b34"), "x1a2b3 1a2b34");
  EXPECT_THAT(scrubber.scrub("(1a2b3)"), Not(HasSubstr("1a2b3")));
}

TEST(Scrubber, LearnsNothingThatIsNobodys) {
  Scrubber scrubber(kKey);
  for (const char* value : {"", "0", "None", "To Be Filled By O.E.M.",
                            "Default string", "0123456789", "00000000",
                            "Amazon EC2", "7783-7084-3265-9085-8269-3286-77"}) {
    scrubber.learn(value);
    EXPECT_EQ(scrubber.scrub(value), value);
  }
}

TEST(Scrubber, KeepsAddressesAddresses) {
  const std::string scrubbed = Scrubber(kKey).scrub("0a:1b:2c:3d:4e:5f\n");
  EXPECT_THAT(scrubbed, MatchesRegex("[0-9a-f]{2}(:[0-9a-f]{2}){5}\n"));
  EXPECT_NE(scrubbed, "0a:1b:2c:3d:4e:5f\n");
}

TEST(ScrubbedRecording, HasNoIdentityInAnyOfItsTexts) {
  const std::string serial = "AWS22F5A5BBD1F4A9D52";
  const std::string id = "5f0d1c9be7a64f0a9c3e2b1d8a7f6e5d";
  Recording recording;
  recording.is_live = true;
  recording.files["/etc/machine-id"] = id + "\n";
  recording.files["/sys/block/nvme1n1/device/serial"] = serial + "   \n";
  recording.files["/proc/cmdline"] = "root=x systemd.machine_id=" + id;
  recording.statuses["/dev/disk/by-id/nvme-" + serial] = host::FileStatus{};
  recording.links["/dev/disk/by-id/nvme-" + serial] = "../../nvme1n1";
  recording.listings["/dev/disk/by-id"] =
      std::vector<std::string>{"nvme-" + serial, "wwn-1"};
  recording.counts["/x/" + serial] = std::size_t{3};
  recording.files["/missing/" + serial] =
      RecordedError{ErrorCode::kNotFound, "open /missing/" + serial + ": no"};
  recording.commands.push_back({.argv = {"/usr/bin/x", serial},
                                .input = serial,
                                .status = 0,
                                .out = "is " + serial,
                                .err = id,
                                .has_failed = false,
                                .error = {ErrorCode::kInternal, serial}});
  const Recording clean = scrubbed(recording, kKey);
  const std::string hashed = Scrubber(kKey).alike(serial);
  EXPECT_TRUE(clean.is_live);
  EXPECT_EQ(
      std::get<std::string>(clean.files.at("/sys/block/nvme1n1/device/serial")),
      hashed + "   \n");
  EXPECT_THAT(
      std::get<std::string>(clean.files.at("/proc/cmdline")),
      AllOf(HasSubstr("root=x systemd.machine_id="), Not(HasSubstr(id))));
  EXPECT_THAT(clean.statuses,
              ElementsAre(Key("/dev/disk/by-id/nvme-" + hashed)));
  EXPECT_THAT(clean.links, ElementsAre(Key("/dev/disk/by-id/nvme-" + hashed)));
  EXPECT_THAT(
      std::get<std::vector<std::string>>(clean.listings.at("/dev/disk/by-id")),
      ElementsAre("nvme-" + hashed, "wwn-1"));
  EXPECT_THAT(clean.counts, ElementsAre(Key("/x/" + hashed)));
  EXPECT_EQ(std::get<RecordedError>(clean.files.at("/missing/" + hashed)),
            (RecordedError{ErrorCode::kNotFound,
                           "open /missing/" + hashed + ": no"}));
  const RecordedCommand& command = clean.commands.at(0);
  EXPECT_THAT(command.argv, ElementsAre("/usr/bin/x", hashed));
  EXPECT_EQ(command.input, hashed);
  EXPECT_EQ(command.out, "is " + hashed);
  EXPECT_THAT(command.err, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_EQ(command.error.message, hashed);
}

TEST(ScrubbedRecording, KeepsASerialThatIsOnlyTheModel) {
  Recording recording;
  recording.files["/sys/block/nvme0n1/device/model"] = "nvme_card0   \n";
  recording.files["/sys/block/nvme0n1/device/serial"] = "nvme_card0\n";
  EXPECT_EQ(scrubbed(recording, kKey), recording);
}

TEST(ScrubbedRecording, KnowsTheSerialOfScsisPage) {
  Recording recording;
  recording.files["/sys/block/sda/device/vpd_pg80"] =
      std::string("\0\x80\0\x0aS4EVNX0N12", 14);
  recording.links["/dev/disk/by-id/ata-S4EVNX0N12"] = std::string("sda");
  const Recording clean = scrubbed(recording, kKey);
  EXPECT_THAT(clean.links,
              Not(testing::Contains(Key("/dev/disk/by-id/ata-S4EVNX0N12"))));
}

TEST(ScrubbedRecording, KeepsListingsInOrder) {
  Recording recording;
  std::vector<std::string> names;
  for (char c = 'a'; c < 'a' + 9; ++c) {
    const std::string serial = std::string("S") + c + "99887766" + c;
    recording.files[std::string("/sys/block/sd") + c + "/serial"] = serial;
    names.push_back(serial);
  }
  recording.listings["/dev/disk"] = names;
  const Recording clean = scrubbed(recording, kKey);
  const auto& after =
      std::get<std::vector<std::string>>(clean.listings.at("/dev/disk"));
  EXPECT_TRUE(std::ranges::is_sorted(after));
  EXPECT_THAT(after, Not(testing::Contains(names.front())));
}

}  // namespace
}  // namespace gpunode::facts
