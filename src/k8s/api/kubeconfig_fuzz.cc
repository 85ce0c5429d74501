// Any bytes as what strangers' files and programs say: kubeconfigs, plugins'
// output, the API server's lists, watches and times.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "k8s/api/exec_credential.h"
#include "k8s/api/kubeconfig.h"
#include "k8s/api/object_meta.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace gpunode::kube;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  switch (*data % 5) {
    case 0:
      if (const auto config = parse_kubeconfig(bytes, "/k/config")) {
        // What a request's head is made of.
        if (config->server.host.find_first_of("\r\n /") != std::string::npos) {
          std::abort();
        }
      }
      break;
    case 1:
      if (const auto made = parse_exec_credential(
              bytes, "client.authentication.k8s.io/v1", "x")) {
        if (made->token.find_first_of("\r\n ") != std::string::npos) {
          std::abort();
        }
      }
      break;
    case 2:
      (void)read_object_list(bytes);
      (void)read_api_status(bytes);
      break;
    case 3:
      if (const auto line = read_watch_line(bytes)) {
        (void)read_object_meta(line->object);
      }
      break;
    default:
      if (const auto time = parse_time(bytes)) {
        if (!parse_time(micro_time(*time))) std::abort();
      }
  }
  return 0;
}
