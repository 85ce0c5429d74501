#include "k8s/api/object_meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(ObjectMeta, TakesItsPartsAndPassesTheRest) {
  const auto meta = read_object_meta(
      R"({"kind":"Node","spec":{"metadata":{"name":"no"}},"metadata":{
      "name":"gpu-1","uid":"u","resourceVersion":"12","creationTimestamp":null,
      "labels":{"a/b":"c","d":""},"annotations":null,"managedFields":[{"x":1}]},
      "status":{"images":[{"names":["x"]}]}})");
  ASSERT_TRUE(meta) << meta.error().message();
  EXPECT_EQ(meta->name, "gpu-1");
  EXPECT_EQ(meta->space, "");
  EXPECT_EQ(meta->uid, "u");
  EXPECT_EQ(meta->resource_version, "12");
  EXPECT_THAT(meta->labels, ElementsAre(Pair("a/b", "c"), Pair("d", "")));
  EXPECT_THAT(meta->annotations, IsEmpty());
}

TEST(ObjectMeta, WhatIsNoObjectIsRefused) {
  for (const char* json :
       {"", "[]", "{", R"({"metadata":[]})", R"({"metadata":{"name":1}})",
        R"({"metadata":{"labels":{"a":1}}})", "{} {}"}) {
    EXPECT_FALSE(read_object_meta(json)) << json;
  }
}

TEST(ObjectList, KeepsEachObjectAsWritten) {
  const auto list =
      read_object_list(R"({"metadata":{"resourceVersion":"7","continue":"c"},)"
                       R"("items":[{"a": 1},{"b":[2]}]})");
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_EQ(list->resource_version, "7");
  EXPECT_EQ(list->continuation, "c");
  EXPECT_THAT(list->objects, ElementsAre(R"({"a": 1})", R"({"b":[2]})"));
  const auto none =
      read_object_list(R"({"metadata":{"resourceVersion":"7"},"items":null})");
  ASSERT_TRUE(none);
  EXPECT_THAT(none->objects, IsEmpty());
  EXPECT_FALSE(read_object_list(R"({"items":[]})"));
}

TEST(WatchLine, HasATypeAndAnObject) {
  const auto line = read_watch_line(R"({"type":"ADDED","object":{"x":1}})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->type, "ADDED");
  EXPECT_EQ(line->object, R"({"x":1})");
  EXPECT_FALSE(read_watch_line(R"({"type":"ADDED"})"));
  EXPECT_FALSE(read_watch_line("<html>"));
}

TEST(ApiStatus, IsReadFromAStatusAlone) {
  const auto status = read_api_status(
      R"({"kind":"Status","code":429,"reason":"TooManyRequests",)"
      R"("message":"later","details":{"retryAfterSeconds":3}})");
  EXPECT_EQ(status.code, 429);
  EXPECT_EQ(status.reason, "TooManyRequests");
  EXPECT_EQ(status.message, "later");
  EXPECT_EQ(status.retry_after_seconds, 3);
  EXPECT_EQ(read_api_status(R"({"kind":"Node","code":1})").code, 0);
  EXPECT_EQ(read_api_status("<html>").code, 0);
  EXPECT_EQ(read_api_status(R"({"kind":"Status","code":99999999999})").code, 0);
}

}  // namespace
}  // namespace gpunode::kube
