// Which Pods hold devices: for people, and for the grants of shares.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/plugin/mailbox.h"

namespace gpunode::plugin {

/// The ids of one resource that one container holds.
struct Holder {
  std::string pod_namespace;  ///< Empty: only the UID is known.
  std::string pod;            ///< Empty, too, then.
  std::string pod_uid;        ///< Empty: the name is known.
  std::string container;
  std::string resource;
  std::vector<std::string> ids;
};

struct Holders {
  enum class Source {
    kNone,          ///< Nobody could tell.
    kPodResources,  ///< The kubelet's API: Pods by name.
    kCheckpoint,    ///< The kubelet's file: Pods by UID, ended ones among them.
  };
  Source source = Source::kNone;
  std::string problem;  ///< Why a better source did not tell; empty: the best.
  std::vector<Holder> items;
  /// What the checkpoint has besides, if it was asked for. The API leaves out
  /// init containers, and Pods that a kubelet has not been told of anew since
  /// it started. Absent: it could not be read.
  std::optional<std::vector<Holder>> recorded = {};
};

struct HolderSources {
  std::string pod_resources_socket;  ///< Empty: not asked.
  std::string checkpoint;            ///< The kubelet's file.
  std::chrono::milliseconds patience = std::chrono::seconds(1);
  bool wants_both = false;  ///< Reads the file in any case, too.
};

/// Asks the kubelet, and reads its file if it does not answer. Blocks for
/// `patience` and the reading.
Holders find_holders(const HolderSources& sources);

/// find_holders() on a thread that lives while it runs, so that a kubelet that
/// hangs holds up nobody. Methods: one thread, the agent's loop.
class HolderQuery {
 public:
  explicit HolderQuery(HolderSources sources) : sources_(std::move(sources)) {}
  /// Waits for what is on its way, for about the sources' patience.
  ~HolderQuery();
  HolderQuery(const HolderQuery&) = delete;
  HolderQuery& operator=(const HolderQuery&) = delete;

  /// False, and nothing is done, while an answer is on its way.
  bool start();
  /// Readable when take() has an answer.
  int fd() const { return news_.fd(); }
  /// Nothing, or one answer.
  std::vector<Holders> take();

 private:
  const HolderSources sources_;
  Mailbox<Holders> news_;
  std::thread thread_;
};

}  // namespace gpunode::plugin
