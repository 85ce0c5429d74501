// The Steps of containerd and of what gives containers GPUs.
#pragma once

#include <memory>

#include "node/provision/step.h"

namespace gpunode::provision {

// One Step a file, named like its id.
std::unique_ptr<Step> make_runtime_config();
std::unique_ptr<Step> make_runtime_engine();
std::unique_ptr<Step> make_runtime_gpu();
std::unique_ptr<Step> make_runtime_images();
std::unique_ptr<Step> make_runtime_links();

}  // namespace gpunode::provision
