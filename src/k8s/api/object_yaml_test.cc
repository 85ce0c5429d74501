#include "k8s/api/object_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/node.h"
#include "base/text/yaml.h"

namespace gpunode::kube {
namespace {

std::string meaning_of(const std::string& text) {
  const auto document = text::parse_yaml(text, "object");
  EXPECT_TRUE(document) << text << "\n" << document.error().message();
  return document ? text::to_json(document->root) : "";
}

TEST(ObjectYaml, MeansWhatTheJsonMeans) {
  for (
      const char* json :
      {R"({"a":1,"b":[],"c":{},"d":null,"e":true})",
       R"({"a":[{"b":"x","c":[1,2]},{"d":{"e":"f"}}],"g":[[1],["h"]]})",
       R"({"a":[{"b":"one\ntwo\n"}],"c":"- x: y\n  # no\n\nz\n"})",
       R"({"a":" space first\nb\n","c":"\nline first\n","d":"none\nat end",)"
       R"("e":"two\n\n","f":"tab\there\n","g":"<&>\n","h":"\u00e4\n"})",
       R"({"y":"no","No":1,"null":2,".5":3,"1":"2","a b":"c","-x":"d","":"e","a/b.c-d_e":"f"})"}) {
    const auto yaml = object_yaml(json);
    ASSERT_TRUE(yaml) << yaml.error().message();
    EXPECT_EQ(meaning_of(*yaml), meaning_of(json)) << *yaml;
  }
}

TEST(ObjectYaml, ShowsLinesAsLines) {
  EXPECT_EQ(
      *object_yaml(
          R"({"kind":"ConfigMap","data":{"node.yaml":"a: 1\n\nb: 2\n"}})"),
      "kind: ConfigMap\n"
      "data:\n"
      "  node.yaml: |\n"
      "    a: 1\n"
      "\n"
      "    b: 2\n");
}

TEST(ObjectYaml, RefusesWhatIsNoJson) {
  EXPECT_FALSE(object_yaml("{"));
}

}  // namespace
}  // namespace gpunode::kube
