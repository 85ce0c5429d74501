#include "node/provision/offline/bundle_manifest.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "node/provision/packages/package_set.h"

namespace gpunode::offline {
namespace {

using Json = nlohmann::ordered_json;

Error corrupt(const std::string& words) {
  return {ErrorCode::kCorrupt, fmt::format("{}: {}", kManifestName, words)};
}

bool is_file_name(const std::string& name) {
  return !name.empty() && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return c > 0x20 && c < 0x7f && c != '/' && c != '\\' && c != '"' &&
                  c != '\'';
         });
}

Result<std::string> text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) {
    return corrupt(fmt::format("{} is no text", key));
  }
  return found->get<std::string>();
}

Result<std::vector<std::string>> texts_of(const Json& json, const char* key,
                                          bool are_names) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) {
    return corrupt(fmt::format("{} is no list", key));
  }
  std::vector<std::string> texts;
  for (const Json& one : *found) {
    if (!one.is_string() ||
        (are_names && !is_file_name(one.get<std::string>()))) {
      return corrupt(fmt::format("{} has something else than names", key));
    }
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

Result<std::vector<BundledImage>> images_of(const Json& json) {
  const auto found = json.find("images");
  if (found == json.end() || !found->is_array()) {
    return corrupt("images is no list");
  }
  std::vector<BundledImage> images;
  for (const Json& one : *found) {
    if (!one.is_object()) return corrupt("images has something else");
    BundledImage image;
    TRY(image.reference, text_of(one, "reference"));
    TRY(image.file, text_of(one, "file"));
    if (!is_file_name(image.file)) return corrupt("an image has no file");
    images.push_back(std::move(image));
  }
  return images;
}

Result<Json> objects_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) {
    return corrupt(fmt::format("{} is no list", key));
  }
  for (const Json& one : *found) {
    if (!one.is_object()) {
      return corrupt(fmt::format("{} has something else than objects", key));
    }
  }
  return *found;
}

Result<std::vector<BundledStep>> steps_of(const Json& json) {
  TRY(const Json list, objects_of(json, "steps"));
  std::vector<BundledStep> steps;
  for (const Json& one : list) {
    BundledStep step;
    TRY(step.step, text_of(one, "step"));
    TRY(step.packages, texts_of(one, "packages", false));
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<std::vector<BundleGap>> gaps_of(const Json& json) {
  TRY(const Json list, objects_of(json, "lacks"));
  std::vector<BundleGap> gaps;
  for (const Json& one : list) {
    BundleGap gap;
    TRY(gap.step, text_of(one, "step"));
    TRY(gap.why, text_of(one, "why"));
    gaps.push_back(std::move(gap));
  }
  return gaps;
}

/// Of RHEL's kin the minor release is no matter to packages.
std::string release_of(const std::string& distribution,
                       const std::string& version) {
  for (const char* exact : {"ubuntu", "debian", "amzn", "fedora"}) {
    if (distribution == exact) return version;
  }
  return version.substr(0, version.find('.'));
}

}  // namespace

std::string to_json(const BundleManifest& manifest) {
  Json images = Json::array();
  for (const BundledImage& image : manifest.images) {
    images.push_back({{"reference", image.reference}, {"file", image.file}});
  }
  Json steps = Json::array();
  for (const BundledStep& one : manifest.steps) {
    steps.push_back({{"step", one.step}, {"packages", one.packages}});
  }
  Json lacks = Json::array();
  for (const BundleGap& one : manifest.gaps) {
    lacks.push_back({{"step", one.step}, {"why", one.why}});
  }
  const Json json = {{"version", kManifestVersion},
                     {"distribution", manifest.distribution},
                     {"distributionVersion", manifest.version},
                     {"machine", manifest.machine},
                     {"wanted", manifest.wanted},
                     {"steps", std::move(steps)},
                     {"lacks", std::move(lacks)},
                     {"packages", manifest.packages},
                     {"keys", manifest.keys},
                     {"images", std::move(images)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<BundleManifest> parse_manifest(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return corrupt("it is no JSON object");
  const auto version = json.find("version");
  if (version == json.end() || !version->is_number_integer()) {
    return corrupt("it has no version");
  }
  if (*version != kManifestVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} is of version {}, this gpunode reads {}; "
                             "make the bundle with the same version of it",
                             kManifestName, version->dump(), kManifestVersion));
  }
  BundleManifest manifest;
  TRY(manifest.distribution, text_of(json, "distribution"));
  TRY(manifest.version, text_of(json, "distributionVersion"));
  TRY(manifest.machine, text_of(json, "machine"));
  TRY(manifest.wanted, texts_of(json, "wanted", false));
  TRY(manifest.steps, steps_of(json));
  TRY(manifest.gaps, gaps_of(json));
  TRY(manifest.packages, texts_of(json, "packages", true));
  TRY(manifest.keys, texts_of(json, "keys", true));
  TRY(manifest.images, images_of(json));
  return manifest;
}

std::vector<std::string> missing_of(const BundleManifest& manifest,
                                    const std::vector<std::string>& names,
                                    std::string_view version) {
  const auto is_it = [&](const std::string& words, const std::string& name) {
    const std::size_t equals = words.find('=');
    if (!packages::is_named(words.substr(0, equals), name)) return false;
    if (version.empty()) return true;
    if (equals == std::string::npos) return false;
    const std::string theirs = words.substr(equals + 1);
    return packages::is_of(packages::upstream_of(theirs), version);
  };
  const auto has = [&](const std::string& name) {
    const auto matches = [&](const std::string& words) {
      return is_it(words, name);
    };
    return std::ranges::any_of(manifest.wanted, matches) ||
           std::ranges::any_of(manifest.steps, [&](const BundledStep& step) {
             return std::ranges::any_of(step.packages, matches);
           });
  };
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    if (!has(name)) missing.push_back(name);
  }
  return missing;
}

std::string contents_text(const BundleManifest& manifest) {
  std::string text;
  for (const BundledStep& one : manifest.steps) {
    text += fmt::format("  {}: {}\n", one.step, fmt::join(one.packages, ", "));
  }
  for (const BundledImage& one : manifest.images) {
    text += fmt::format("  image {}\n", one.reference);
  }
  for (const BundleGap& one : manifest.gaps) {
    text += fmt::format("  LACKS {}: {}\n", one.step, one.why);
  }
  return text;
}

std::string misfit(const BundleManifest& manifest, const facts::OsRelease& os,
                   std::string_view machine) {
  const std::string theirs =
      release_of(manifest.distribution, manifest.version);
  const std::string ours = release_of(os.id, os.version_id);
  if (manifest.distribution == os.id && theirs == ours &&
      manifest.machine == machine) {
    return {};
  }
  return fmt::format("it is for {} {} {}, and this host is {} {} {}",
                     manifest.distribution, theirs, manifest.machine, os.id,
                     ours, machine);
}

}  // namespace gpunode::offline
