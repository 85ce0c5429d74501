#include "agent/plugin/inventory_query.h"

#include <utility>

#include <pthread.h>

#include "agent/plugin/nvml_library.h"
#include "gpu/nvml/session.h"
#include "gpu/procfs/annotation.h"

namespace gpunode::plugin {
namespace {

Result<device::Inventory> read_inventory(const InventoryQuery::Inputs& inputs) {
  TRY(nvml::Library library,
      open_nvml(inputs.nvml_library, inputs.driver_root));
  TRY(const nvml::Session session, nvml::Session::start(std::move(library)));
  return session.inventory();
}

}  // namespace

InventoryQuery::InventoryQuery(Inputs inputs)
    : thread_([this, inputs = std::move(inputs)] {
        ::pthread_setname_np(::pthread_self(), "driver");
        Answer answer{read_inventory(inputs), {}};
        if (answer.inventory) {
          answer.remarks =
              procfs::annotate(*answer.inventory, inputs.host_root);
        }
        answer_.post(std::move(answer));
      }) {}

}  // namespace gpunode::plugin
