#include "node/provision/device_plugin_section.h"

#include "base/text/tree.h"
#include "base/text/yaml_writer.h"

namespace gpunode::provision {

void read_device_plugin(SpecSection section, DevicePluginSpec& plugin) {
  plugin.is_wanted = true;
  section.choice<PluginPlace>(
      "as", plugin.place,
      {{"cluster", PluginPlace::kCluster}, {"service", PluginPlace::kService}});
  if (section.later("emit")) {
    section.complain("emit",
                     "what the plugin is told stands below `config`; `gpunode "
                     "device-plugin --as values` prints the chart's values of "
                     "it");
  }
  if (const text::Node* config = section.mapping("config")) {
    plugin.config = text::write_yaml(*config);
    plugin.names_list_strategy =
        text::find_at(*config, {"flags", "plugin", "deviceListStrategy"}) !=
        nullptr;
  }
  section.finish();
}

}  // namespace gpunode::provision
