#include "node/provision/runtime_section.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::provision {
namespace {

/// "1.7", "1.7.25": two or three numbers between dots.
bool is_version(std::string_view text) {
  int parts = 1;
  char before = '.';
  for (const char c : text) {
    if (c == '.') {
      if (before == '.') return false;
      ++parts;
    } else if (!is_digit(c)) {
      return false;
    }
    before = c;
  }
  return before != '.' && (parts == 2 || parts == 3);
}

/// It goes into the configuration of containerd.
bool is_image(std::string_view text) {
  return is_alphanumeric(text.front()) &&
         (text.find(':') != std::string_view::npos ||
          text.find('@') != std::string_view::npos) &&
         std::ranges::all_of(text, [](char c) {
           return is_alphanumeric(c) ||
                  std::string_view("./:-_@").find(c) != std::string_view::npos;
         });
}

void read_engine(SpecSection& section) {
  std::string engine = "containerd";
  section.text("engine", engine);
  if (engine == "containerd") return;
  const bool is_known =
      engine == "docker" || engine == "cri-o" || engine == "crio";
  section.complain(
      "engine",
      is_known ? fmt::format("{} is set up by hand, with `gpunode runtime "
                             "configure --runtime {}`; this section is for "
                             "`containerd` alone",
                             engine, engine == "docker" ? "docker" : "crio")
               : fmt::format("\"{}\" is no engine; the one that gpunode sets "
                             "up is \"containerd\"",
                             engine));
}

void read_install(SpecSection section, RuntimeSpec& runtime) {
  section.choice<EngineSource>("source", runtime.source,
                               {{"distribution", EngineSource::kDistribution},
                                {"docker-ce", EngineSource::kDocker},
                                {"preinstalled", EngineSource::kPreinstalled}});
  section.text("version", runtime.version);
  if (!runtime.version.empty()) {
    if (!is_version(runtime.version)) {
      section.complain("version",
                       fmt::format("\"{}\" is no version of containerd; one is "
                                   "\"1.7\" or \"1.7.25\", in quotes",
                                   runtime.version));
      runtime.version.clear();
    } else if (runtime.source == EngineSource::kPreinstalled) {
      section.complain("version",
                       "`source: preinstalled` takes the version that is "
                       "there; leave one of the two out");
    }
  }
  section.finish();
}

void read_gpu(SpecSection section, RuntimeSpec& runtime) {
  section.choice<GpuMode>("mode", runtime.gpu_mode,
                          {{"default-runtime", GpuMode::kDefaultRuntime},
                           {"runtimeclass", GpuMode::kRuntimeClass},
                           {"cdi", GpuMode::kCdi}});
  if (section.later("toolkitVersion")) {
    section.complain("toolkitVersion",
                     "gpunode-runtime stands in the place of NVIDIA's "
                     "container toolkit, and comes with gpunode; leave this "
                     "out");
  }
  section.finish();
}

}  // namespace

void read_runtime(SpecSection section, RuntimeSpec& runtime) {
  runtime.is_wanted = true;
  read_engine(section);
  section.section("install", [&](SpecSection inner) {
    read_install(std::move(inner), runtime);
  });
  section.boolean("systemdCgroup", runtime.has_systemd_cgroup);
  section.text("sandboxImage", runtime.sandbox_image);
  if (!runtime.sandbox_image.empty() && !is_image(runtime.sandbox_image)) {
    section.complain("sandboxImage",
                     fmt::format("\"{}\" is no image with its tag; one is "
                                 "\"registry.k8s.io/pause:3.8\"",
                                 runtime.sandbox_image));
    runtime.sandbox_image.clear();
  }
  bool has_gpu = false;
  section.section("gpu", [&](SpecSection inner) {
    has_gpu = true;
    read_gpu(std::move(inner), runtime);
  });
  section.section("nvidia", [&](SpecSection inner) {
    if (has_gpu) {
      inner.complain("mode", "`gpu` says this already; leave one of them out");
    }
    read_gpu(std::move(inner), runtime);
  });
  section.boolean("deviceLinks", runtime.has_device_links);
  section.finish();
}

}  // namespace gpunode::provision
