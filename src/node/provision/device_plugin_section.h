// spec.devicePlugin, read.
#pragma once

#include "node/provision/device_plugin_spec.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

/// What `config` says is the agent's to judge (agent/config); that it is a
/// mapping is asked here.
void read_device_plugin(SpecSection section, DevicePluginSpec& plugin);

}  // namespace gpunode::provision
